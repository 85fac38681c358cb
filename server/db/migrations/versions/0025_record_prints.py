"""record prints: who took whose record card on paper"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard
from server.db.metadata import UtcDateTime

revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None

_SAYS = 'what was printed was seen: print another one'


def upgrade() -> None:
    op.create_table('record_print',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.Column('account', sa.String(length=16), nullable=False),
    sa.Column('first_day', sa.Date(), nullable=False),
    sa.Column('last_day', sa.Date(), nullable=False),
    sa.Column('paper', sa.String(length=2), nullable=False),
    sa.Column('printed_by', sa.String(length=80), nullable=False),
    sa.Column('printed_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint('first_day <= last_day', name='a_record_card_has_a_period'),
    sa.ForeignKeyConstraint(['pool', 'account'], ['resident.pool', 'resident.account'], name='a_record_card_is_a_residents'),
    sa.PrimaryKeyConstraint('pool', 'fact_no', name='a_record_card_is_printed_by_one_fact')
    )
    op.create_index('record_cards_of_a_resident', 'record_print', ['pool', 'account', 'fact_no'], unique=False)
    op.create_guard(Guard(table='record_print', name='record_print_is_never_updated', on='UPDATE', says=_SAYS, when=None))
    op.create_guard(Guard(table='record_print', name='record_print_is_never_deleted', on='DELETE', says=_SAYS, when=None))


def downgrade() -> None:
    op.drop_index('record_cards_of_a_resident', table_name='record_print')
    op.drop_table('record_print')
