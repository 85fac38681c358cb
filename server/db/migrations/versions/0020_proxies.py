"""proxies: workers redeem for residents, and bring it to the door"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None


def _guard(table: str, says: str) -> None:
    for on in ('UPDATE', 'DELETE'):
        done = 'updated' if on == 'UPDATE' else 'deleted'
        op.create_guard(Guard(table=table, name=f'{table}_is_never_{done}', on=on, says=says, when=None))


def upgrade() -> None:
    op.create_table('proxy_rules',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('residents_a_day', sa.Integer(), nullable=False),
    sa.Column('points_a_day', sa.BigInteger(), nullable=True),
    sa.Column('deliver_within_days', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['pool'], ['pool.pool'], name='proxy_rules_are_a_pools'),
    sa.PrimaryKeyConstraint('pool', name='a_pool_has_one_set_of_proxy_rules')
    )
    op.create_table('proxy_sale',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('sale_id', sa.String(length=36), nullable=False),
    sa.Column('worker', sa.String(length=64), nullable=False),
    sa.Column('account', sa.String(length=16), nullable=False),
    sa.Column('beneficiary', sa.String(length=16), nullable=True),
    sa.Column('consent', sa.String(length=16), nullable=False),
    sa.Column('place', sa.String(length=40), nullable=False),
    sa.Column('business_date', sa.Date(), nullable=False),
    sa.Column('deliver_by', sa.Date(), nullable=False),
    sa.Column('points', sa.BigInteger(), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'sale_id'], ['sale.pool', 'sale.sale_id'], name='a_proxy_redeems_a_known_sale'),
    sa.ForeignKeyConstraint(['pool', 'worker'], ['awarder.pool', 'awarder.awarder'], name='a_proxy_is_a_known_worker'),
    sa.PrimaryKeyConstraint('pool', 'sale_id', name='a_sale_is_redeemed_by_one_proxy')
    )
    _guard('proxy_sale', 'what was redeemed for somebody stays as it was')
    op.create_index('proxies_of_a_worker', 'proxy_sale', ['pool', 'worker', 'business_date'], unique=False)
    op.create_table('proxy_delivery',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('sale_id', sa.String(length=36), nullable=False),
    sa.Column('delivered_on', sa.Date(), nullable=False),
    sa.Column('said_by', sa.String(length=80), nullable=False),
    sa.Column('how', sa.String(length=40), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'sale_id'], ['proxy_sale.pool', 'proxy_sale.sale_id'], name='only_a_proxys_goods_are_delivered'),
    sa.PrimaryKeyConstraint('pool', 'sale_id', name='a_proxys_goods_are_delivered_once')
    )
    _guard('proxy_delivery', 'a delivery stays as it was told')


def downgrade() -> None:
    op.drop_table('proxy_delivery')
    op.drop_index('proxies_of_a_worker', table_name='proxy_sale')
    op.drop_table('proxy_sale')
    op.drop_table('proxy_rules')
