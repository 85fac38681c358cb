"""counter awards: where points are registered, by whom, and what terminals told"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard
from server.db.metadata import UtcDateTime

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('counter_shop',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('shop', sa.String(length=32), nullable=False),
    sa.Column('allowed', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'shop'], ['shop.pool', 'shop.shop'], name='counter_awards_are_at_a_known_shop'),
    sa.PrimaryKeyConstraint('pool', 'shop', name='a_shop_has_counter_awards_or_not')
    )
    op.create_table('awarder_pin',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('awarder', sa.String(length=64), nullable=False),
    sa.Column('pin_hash', sa.String(length=255), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'awarder'], ['awarder.pool', 'awarder.awarder'], name='a_pin_is_a_known_awarders'),
    sa.PrimaryKeyConstraint('pool', 'awarder', name='an_awarder_has_one_pin')
    )
    op.create_table('counter_award',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('terminal', sa.String(length=32), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('award_id', sa.String(length=64), nullable=False),
    sa.Column('worker', sa.String(length=80), nullable=False),
    sa.Column('account', sa.String(length=16), nullable=False),
    sa.Column('rule_id', sa.String(length=32), nullable=False),
    sa.Column('performed_on', sa.Date(), nullable=False),
    sa.Column('points', sa.BigInteger(), nullable=False),
    sa.Column('event', sa.String(length=64), nullable=True),
    sa.Column('occurred_at', UtcDateTime(), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('pool', 'terminal', 'epoch', 'seq', name='a_record_tells_one_counter_award')
    )
    op.create_guard(Guard(table='counter_award', name='counter_award_is_never_updated', on='UPDATE', says='what a terminal told stays as it was told', when=None))
    op.create_guard(Guard(table='counter_award', name='counter_award_is_never_deleted', on='DELETE', says='what a terminal told stays as it was told', when=None))
    op.create_index('counter_awards_by_day', 'counter_award', ['pool', 'performed_on'], unique=False)
    op.create_index('counter_awards_by_event', 'counter_award', ['pool', 'event'], unique=False)


def downgrade() -> None:
    op.drop_index('counter_awards_by_event', table_name='counter_award')
    op.drop_index('counter_awards_by_day', table_name='counter_award')
    op.drop_table('counter_award')
    op.drop_table('awarder_pin')
    op.drop_table('counter_shop')
