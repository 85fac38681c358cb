"""card pins: what a card takes without one, and wrong ones counted over all terminals"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard
from server.db.metadata import UtcDateTime

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None

_GUARDS = (
    ('card_pin', 'a PIN is never changed: set another one'),
    ('card_pin_try', 'a wrong PIN was typed: unlock the PIN, and it counts no more'),
    ('card_pin_lock', 'a locked PIN stays locked: unlock it, which begins the next round'),
)


def upgrade() -> None:
    op.add_column('redemption_terms', sa.Column('card_no_pin_day_points', sa.BigInteger(), nullable=True))
    op.create_table('card_pin',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('card_id', sa.String(length=16), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('pin_round', sa.Integer(), nullable=False),
    sa.Column('pin_id', sa.String(length=64), nullable=False),
    sa.Column('began_by', sa.String(length=16), nullable=False),
    sa.Column('verifier_hex', sa.String(length=32), nullable=False),
    sa.Column('proof_key_hex', sa.String(length=32), nullable=False),
    sa.Column('began_at', UtcDateTime(), nullable=False),
    sa.Column('reason', sa.String(length=80), nullable=False),
    sa.CheckConstraint("began_by IN ('set', 'unlocked')", name='a_pin_is_set_or_unlocked'),
    sa.CheckConstraint('pin_round >= 1', name='pins_count_from_one'),
    sa.ForeignKeyConstraint(['pool', 'card_id'], ['card.pool', 'card.card_id'], name='a_pin_is_of_a_residents_card'),
    sa.PrimaryKeyConstraint('pool', 'card_id', 'seq', 'pin_round', name='pins_of_a_card_are_counted'),
    sa.UniqueConstraint('pool', 'pin_id', name='a_pin_is_set_once')
    )
    op.create_table('card_pin_try',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('terminal', sa.String(length=32), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('record_seq', sa.BigInteger(), nullable=False),
    sa.Column('card_id', sa.String(length=16), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('pin_round', sa.Integer(), nullable=False),
    sa.Column('told_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'card_id', 'seq', 'pin_round'], ['card_pin.pool', 'card_pin.card_id', 'card_pin.seq', 'card_pin.pin_round'], name='a_wrong_pin_is_tried_against_a_known_one'),
    sa.PrimaryKeyConstraint('pool', 'terminal', 'epoch', 'record_seq', name='a_record_tells_of_one_wrong_pin')
    )
    op.create_index('wrong_pins_by_card', 'card_pin_try', ['pool', 'card_id', 'seq', 'pin_round', 'told_at'], unique=False)
    op.create_table('card_pin_lock',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('card_id', sa.String(length=16), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('pin_round', sa.Integer(), nullable=False),
    sa.Column('locked_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'card_id', 'seq', 'pin_round'], ['card_pin.pool', 'card_pin.card_id', 'card_pin.seq', 'card_pin.pin_round'], name='a_lock_is_of_a_known_pin'),
    sa.PrimaryKeyConstraint('pool', 'card_id', 'seq', 'pin_round', name='a_pin_is_locked_once')
    )
    for table, says in _GUARDS:
        op.create_guard(Guard(table=table, name=f'{table}_is_never_updated', on='UPDATE', says=says, when=None))
        op.create_guard(Guard(table=table, name=f'{table}_is_never_deleted', on='DELETE', says=says, when=None))


def downgrade() -> None:
    op.drop_table('card_pin_lock')
    op.drop_index('wrong_pins_by_card', table_name='card_pin_try')
    op.drop_table('card_pin_try')
    op.drop_table('card_pin')
    op.drop_column('redemption_terms', 'card_no_pin_day_points')
