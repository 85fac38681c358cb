"""adjustments: proposed by one person, approved by another

Adjustments of before were given by one person; they have no proposal and nobody who approved.
"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard
from server.db.metadata import UtcDateTime

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('dispute_answer', sa.Column('approved_by', sa.String(length=128), nullable=True))
    op.create_table('adjustment_proposal',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('dispute', sa.String(length=64), nullable=False),
    sa.Column('proposal_no', sa.Integer(), nullable=False),
    sa.Column('amount_fen', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('proposed_by', sa.String(length=128), nullable=False),
    sa.Column('proposed_at', UtcDateTime(), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('amount_fen <> 0', name=op.f('a_proposed_adjustment_moves_something')),
    sa.ForeignKeyConstraint(['pool', 'dispute'], ['dispute.pool', 'dispute.dispute'], name='an_adjustment_is_proposed_for_a_dispute'),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='a_proposed_adjustment_is_a_fact'),
    sa.PrimaryKeyConstraint('pool', 'dispute', 'proposal_no', name='proposals_of_an_adjustment_are_counted')
    )
    op.create_guard(Guard(table='adjustment_proposal', name='adjustment_proposal_is_never_updated', on='UPDATE', says='a proposed adjustment is never changed: propose another one', when=None))
    op.create_guard(Guard(table='adjustment_proposal', name='adjustment_proposal_is_never_deleted', on='DELETE', says='a proposed adjustment is never changed: propose another one', when=None))


def downgrade() -> None:
    op.drop_table('adjustment_proposal')
    op.drop_column('dispute_answer', 'approved_by')
