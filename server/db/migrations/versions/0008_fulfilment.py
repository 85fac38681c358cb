"""fulfilment: vouchers and work orders

No till could sell any before, so there is none to be opened for what was sold already.
"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard
from server.db.metadata import UtcDateTime

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('voucher_validity',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('item_id', sa.String(length=32), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.Column('days', sa.Integer(), nullable=True),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.CheckConstraint('days > 0', name=op.f('a_voucher_is_good_for_a_day_at_least')),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='a_validity_is_a_fact'),
    sa.PrimaryKeyConstraint('pool', 'item_id', 'fact_no', name='a_validity_is_set_by_a_fact')
    )
    op.create_guard(Guard(table='voucher_validity', name='voucher_validity_is_never_updated', on='UPDATE', says='how long vouchers were good stays on record: set it anew', when=None))
    op.create_guard(Guard(table='voucher_validity', name='voucher_validity_is_never_deleted', on='DELETE', says='how long vouchers were good stays on record: set it anew', when=None))
    op.create_table('fulfilment_order',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('order_id', sa.String(length=48), nullable=False),
    sa.Column('sale_id', sa.String(length=36), nullable=False),
    sa.Column('line_no', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('item_id', sa.String(length=32), nullable=False),
    sa.Column('units_milli', sa.BigInteger(), nullable=False),
    sa.Column('account', sa.String(length=16), nullable=False),
    sa.Column('business_date', sa.Date(), nullable=False),
    sa.Column('valid_until', sa.Date(), nullable=True),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("kind IN ('voucher', 'work_order')", name=op.f('an_order_is_of_a_known_kind')),
    sa.CheckConstraint('units_milli > 0', name=op.f('an_order_promises_something')),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='an_order_is_opened_by_a_fact'),
    sa.ForeignKeyConstraint(['pool', 'sale_id', 'line_no'], ['sale_line.pool', 'sale_line.sale_id', 'sale_line.line_no'], name='an_order_is_of_a_sold_line'),
    sa.PrimaryKeyConstraint('pool', 'order_id', name='an_order_is_opened_once'),
    sa.UniqueConstraint('pool', 'sale_id', 'line_no', name='a_line_opens_one_order')
    )
    op.create_guard(Guard(table='fulfilment_order', name='fulfilment_order_is_never_updated', on='UPDATE', says='an order stands as it was sold: fulfil or cancel it', when=None))
    op.create_guard(Guard(table='fulfilment_order', name='fulfilment_order_is_never_deleted', on='DELETE', says='an order stands as it was sold: fulfil or cancel it', when=None))
    op.create_index('orders_by_resident', 'fulfilment_order', ['pool', 'account'], unique=False)
    op.create_table('order_move',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('order_id', sa.String(length=48), nullable=False),
    sa.Column('move_no', sa.Integer(), nullable=False),
    sa.Column('move', sa.String(length=16), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('units_milli', sa.BigInteger(), nullable=False),
    sa.Column('move_id', sa.String(length=80), nullable=False),
    sa.Column('content_hash', sa.String(length=64), nullable=False),
    sa.Column('merchant', sa.String(length=32), nullable=False),
    sa.Column('shop', sa.String(length=32), nullable=True),
    sa.Column('contract', sa.String(length=32), nullable=True),
    sa.Column('code', sa.String(length=32), nullable=True),
    sa.Column('rate_fen', sa.BigInteger(), nullable=False),
    sa.Column('amount_fen', sa.BigInteger(), nullable=False),
    sa.Column('points', sa.BigInteger(), nullable=False),
    sa.Column('undoes', sa.Integer(), nullable=True),
    sa.Column('business_date', sa.Date(), nullable=False),
    sa.Column('moved_at', UtcDateTime(), nullable=False),
    sa.Column('moved_by', sa.String(length=128), nullable=False),
    sa.Column('says', sa.Text(), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("(move = 'undo') = (undoes IS NOT NULL)", name=op.f('an_undoing_undoes_a_move')),
    sa.CheckConstraint("move IN ('fulfil', 'undo', 'cancel', 'refund', 'expire')", name=op.f('an_order_moves_in_a_known_way')),
    sa.CheckConstraint("state IN ('open', 'fulfilled', 'cancelled', 'expired')", name=op.f('an_order_is_in_a_known_state')),
    sa.CheckConstraint('units_milli > 0', name=op.f('a_move_of_an_order_moves_units')),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='a_move_of_an_order_is_a_fact'),
    sa.ForeignKeyConstraint(['pool', 'order_id'], ['fulfilment_order.pool', 'fulfilment_order.order_id'], name='a_move_is_of_an_order'),
    sa.PrimaryKeyConstraint('pool', 'order_id', 'move_no', name='moves_of_an_order_are_counted'),
    sa.UniqueConstraint('pool', 'move_id', name='an_order_is_moved_once_for_a_reason')
    )
    op.create_guard(Guard(table='order_move', name='order_move_is_never_updated', on='UPDATE', says='a move of an order is never changed: make the next one', when=None))
    op.create_guard(Guard(table='order_move', name='order_move_is_never_deleted', on='DELETE', says='a move of an order is never changed: make the next one', when=None))
    op.create_index('order_moves_by_merchant', 'order_move', ['pool', 'merchant', 'business_date'], unique=False)


def downgrade() -> None:
    op.drop_index('order_moves_by_merchant', table_name='order_move')
    op.drop_table('order_move')
    op.drop_index('orders_by_resident', table_name='fulfilment_order')
    op.drop_table('fulfilment_order')
    op.drop_table('voucher_validity')
