"""what the office decides about a handed-over record that found another in its place

None was decided before: each that was kept waits.
"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard

revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None

_SAYS = 'what was decided about a record stays decided'


def _guard(table: str) -> None:
    op.create_guard(Guard(table=table, name=f'{table}_is_never_updated', on='UPDATE', says=_SAYS, when=None))
    op.create_guard(Guard(table=table, name=f'{table}_is_never_deleted', on='DELETE', says=_SAYS, when=None))


def upgrade() -> None:
    op.create_table('difference_decision',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('terminal', sa.String(length=32), nullable=False),
    sa.Column('found_no', sa.BigInteger(), nullable=False),
    sa.Column('outcome', sa.String(length=16), nullable=False),
    sa.Column('overdraft_points', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("outcome IN ('posted', 'duplicate', 'overdraft', 'left')", name=op.f('a_decided_difference_is_booked_or_left')),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='a_difference_is_decided_by_a_fact'),
    sa.ForeignKeyConstraint(['pool', 'terminal', 'found_no'], ['journal_difference.pool', 'journal_difference.terminal', 'journal_difference.fact_no'], name='only_a_difference_is_decided'),
    sa.PrimaryKeyConstraint('pool', 'terminal', 'found_no', name='a_difference_is_decided_once')
    )
    _guard('difference_decision')


def downgrade() -> None:
    op.drop_table('difference_decision')
