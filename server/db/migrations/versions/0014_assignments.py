"""assignments: whom the office asked to do a voucher or a work order"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard
from server.db.metadata import UtcDateTime

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('order_assignment',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('order_id', sa.String(length=48), nullable=False),
    sa.Column('assignment_no', sa.Integer(), nullable=False),
    sa.Column('merchant', sa.String(length=64), nullable=False),
    sa.Column('says', sa.String(length=200), nullable=False),
    sa.Column('assigned_by', sa.String(length=128), nullable=False),
    sa.Column('assigned_at', UtcDateTime(), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='an_assignment_is_a_fact'),
    sa.ForeignKeyConstraint(['pool', 'merchant'], ['merchant.pool', 'merchant.merchant'], name='an_order_is_assigned_to_a_known_merchant'),
    sa.ForeignKeyConstraint(['pool', 'order_id'], ['fulfilment_order.pool', 'fulfilment_order.order_id'], name='an_order_that_is_known_is_assigned'),
    sa.PrimaryKeyConstraint('pool', 'order_id', 'assignment_no', name='assignments_of_an_order_are_counted')
    )
    op.create_guard(Guard(table='order_assignment', name='order_assignment_is_never_updated', on='UPDATE', says='an assignment is never changed: assign the order anew', when=None))
    op.create_guard(Guard(table='order_assignment', name='order_assignment_is_never_deleted', on='DELETE', says='an assignment is never changed: assign the order anew', when=None))
    op.create_index('assignments_by_merchant', 'order_assignment', ['pool', 'merchant', 'order_id'], unique=False)


def downgrade() -> None:
    op.drop_index('assignments_by_merchant', table_name='order_assignment')
    op.drop_table('order_assignment')
