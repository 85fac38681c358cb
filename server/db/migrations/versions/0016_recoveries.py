"""a dead terminal's records from another hand: what is lost, and what was recovered

Nothing was handed over before; no chain has a gap.
"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None

_SAYS = {
    'chain_gap': 'what is known to be lost stays on record, also when it is found',
    'terminal_recovery': 'what was recovered stays on record',
}


def _guard(table: str) -> None:
    says = _SAYS[table]
    op.create_guard(Guard(table=table, name=f'{table}_is_never_updated', on='UPDATE', says=says, when=None))
    op.create_guard(Guard(table=table, name=f'{table}_is_never_deleted', on='DELETE', says=says, when=None))


def upgrade() -> None:
    op.create_table('chain_gap',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('terminal', sa.String(length=32), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('first_seq', sa.BigInteger(), nullable=False),
    sa.Column('last_seq', sa.BigInteger(), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('first_seq >= 1 AND last_seq >= first_seq', name=op.f('a_gap_has_records')),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='a_gap_is_noted_by_a_fact'),
    sa.ForeignKeyConstraint(['pool', 'terminal'], ['terminal.pool', 'terminal.terminal'], name='a_gap_is_a_known_terminals'),
    sa.PrimaryKeyConstraint('pool', 'terminal', 'epoch', 'first_seq', name='a_gap_begins_once')
    )
    _guard('chain_gap')
    op.create_table('terminal_recovery',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('terminal', sa.String(length=32), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('end_seq', sa.BigInteger(), nullable=False),
    sa.Column('by_terminal', sa.String(length=32), nullable=False),
    sa.Column('source', sa.String(length=16), nullable=False),
    sa.Column('records', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("source IN ('stick', 'card', 'nothing')", name=op.f('a_recovery_has_a_known_source')),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='a_recovery_is_a_fact'),
    sa.ForeignKeyConstraint(['pool', 'terminal'], ['terminal.pool', 'terminal.terminal'], name='a_recovery_is_a_known_terminals'),
    sa.PrimaryKeyConstraint('pool', 'terminal', 'fact_no', 'epoch', name='a_recovery_is_a_fact_for_each_epoch')
    )
    _guard('terminal_recovery')


def downgrade() -> None:
    op.drop_table('terminal_recovery')
    op.drop_table('chain_gap')
