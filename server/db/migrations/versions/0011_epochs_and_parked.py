"""terminals' epochs, differences of their chains, parked records booked by a person

Every terminal from before is in its first epoch, which stands with the terminal itself.
"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

_SAYS = {
    'terminal_epoch': 'an epoch that was given out stays: open the next one',
    'journal_difference': "what a terminal's chain said stays on record",
    'parked_booking': 'what was booked stays booked',
}


def _guard(table: str) -> None:
    says = _SAYS[table]
    op.create_guard(Guard(table=table, name=f'{table}_is_never_updated', on='UPDATE', says=says, when=None))
    op.create_guard(Guard(table=table, name=f'{table}_is_never_deleted', on='DELETE', says=says, when=None))


def upgrade() -> None:
    op.create_table('terminal_epoch',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('terminal', sa.String(length=32), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('opened_by', sa.String(length=16), nullable=False),
    sa.Column('boot_id', sa.String(length=64), nullable=False),
    sa.Column('closed_seq', sa.BigInteger(), nullable=False),
    sa.Column('closed_hash', sa.String(length=64), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("opened_by IN ('boot', 'operator')", name=op.f('an_epoch_has_a_known_opener')),
    sa.CheckConstraint('epoch > 1', name=op.f('the_first_epoch_comes_with_enrolment')),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='an_epoch_is_opened_by_a_fact'),
    sa.ForeignKeyConstraint(['pool', 'terminal'], ['terminal.pool', 'terminal.terminal'], name='an_epoch_is_a_known_terminals'),
    sa.PrimaryKeyConstraint('pool', 'terminal', 'epoch', name='an_epoch_is_opened_once')
    )
    _guard('terminal_epoch')
    op.create_table('journal_difference',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('terminal', sa.String(length=32), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('here_hash', sa.String(length=64), nullable=False),
    sa.Column('there_hash', sa.String(length=64), nullable=False),
    sa.Column('there_body', sa.LargeBinary(), nullable=True),
    sa.Column('boot_id', sa.String(length=64), nullable=False),
    sa.Column('says', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='a_difference_is_found_by_a_fact'),
    sa.ForeignKeyConstraint(['pool', 'terminal'], ['terminal.pool', 'terminal.terminal'], name='a_difference_is_a_known_terminals'),
    sa.PrimaryKeyConstraint('pool', 'terminal', 'fact_no', name='a_difference_is_a_facts')
    )
    _guard('journal_difference')
    op.create_table('parked_booking',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('terminal', sa.String(length=32), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('outcome', sa.String(length=16), nullable=False),
    sa.Column('overdraft_points', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("outcome IN ('posted', 'duplicate', 'overdraft')", name=op.f('a_booked_record_is_booked')),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='a_parked_record_is_booked_by_a_fact'),
    sa.ForeignKeyConstraint(['pool', 'terminal', 'epoch', 'seq'], ['journal_record.pool', 'journal_record.terminal', 'journal_record.epoch', 'journal_record.seq'], name='only_a_record_is_booked'),
    sa.PrimaryKeyConstraint('pool', 'terminal', 'epoch', 'seq', name='a_parked_record_is_booked_once')
    )
    _guard('parked_booking')


def downgrade() -> None:
    op.drop_table('parked_booking')
    op.drop_table('journal_difference')
    op.drop_table('terminal_epoch')
