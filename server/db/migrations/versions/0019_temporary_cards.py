"""temporary cards: a household's account, handed on to the next household"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard
from server.db.metadata import UtcDateTime

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None

_GUARDS = (
    ('temporary_card', 'a temporary card is never changed: hand it on'),
    ('temporary_handover', 'a card that was handed on stays so: hand on the next one'),
    ('temporary_move', 'points that went over stay there'),
)


def upgrade() -> None:
    op.create_table('temporary_card',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('account', sa.String(length=16), nullable=False),
    sa.Column('card_id', sa.String(length=16), nullable=False),
    sa.Column('issued_at', UtcDateTime(), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'account'], ['resident.pool', 'resident.account'], name='a_temporary_card_is_a_residents_account'),
    sa.PrimaryKeyConstraint('pool', 'account', name='a_temporary_card_is_issued_once')
    )
    op.create_table('temporary_handover',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('account', sa.String(length=16), nullable=False),
    sa.Column('to_account', sa.String(length=16), nullable=False),
    sa.Column('handed_at', UtcDateTime(), nullable=False),
    sa.Column('handed_by', sa.String(length=128), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('account <> to_account', name='nobody_hands_a_card_to_himself'),
    sa.ForeignKeyConstraint(['pool', 'account'], ['temporary_card.pool', 'temporary_card.account'], name='a_temporary_card_is_handed_on'),
    sa.ForeignKeyConstraint(['pool', 'to_account'], ['temporary_card.pool', 'temporary_card.account'], name='a_temporary_card_is_handed_to_another_one'),
    sa.PrimaryKeyConstraint('pool', 'account', name='a_temporary_card_is_handed_on_once'),
    sa.UniqueConstraint('pool', 'to_account', name='a_household_takes_over_from_one')
    )
    op.create_table('temporary_move',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('move', sa.String(length=64), nullable=False),
    sa.Column('account', sa.String(length=16), nullable=False),
    sa.Column('points', sa.BigInteger(), nullable=False),
    sa.Column('debts_points', sa.BigInteger(), nullable=False),
    sa.Column('moved_by', sa.String(length=128), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('points >= 0 AND debts_points >= 0', name='a_move_takes_nothing_back'),
    sa.ForeignKeyConstraint(['pool', 'account'], ['temporary_handover.pool', 'temporary_handover.account'], name='points_move_from_a_card_that_was_handed_on'),
    sa.PrimaryKeyConstraint('pool', 'move', name='a_move_between_households_has_one_id')
    )
    op.create_index('moves_between_households', 'temporary_move', ['pool', 'account'], unique=False)
    for table, says in _GUARDS:
        op.create_guard(Guard(table=table, name=f'{table}_is_never_updated', on='UPDATE', says=says, when=None))
        op.create_guard(Guard(table=table, name=f'{table}_is_never_deleted', on='DELETE', says=says, when=None))


def downgrade() -> None:
    op.drop_index('moves_between_households', table_name='temporary_move')
    op.drop_table('temporary_move')
    op.drop_table('temporary_handover')
    op.drop_table('temporary_card')
