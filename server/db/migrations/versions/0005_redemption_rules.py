"""redemption rules"""

import json
from datetime import date

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard
from server.db.metadata import UtcDateTime

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

SANCTIONS = {
    'block_resident': 'block',
    'unblock_resident': 'unblock',
    'ban_redemption': 'ban',
}


def upgrade() -> None:
    op.add_column('pool', sa.Column('points_expire_after_days', sa.Integer(), nullable=True))
    op.add_column('pool', sa.Column('cover_warning_bp', sa.Integer(), nullable=True))
    op.add_column('pool', sa.Column('cover_hard_bp', sa.Integer(), nullable=True))
    op.add_column('item', sa.Column('limit_per_resident', sa.Integer(), nullable=True))
    op.add_column('item', sa.Column('limit_per_household', sa.Integer(), nullable=True))
    op.add_column('item', sa.Column('limit_period', sa.String(length=16), server_default='day', nullable=False))
    op.add_column('resident', sa.Column('credit_score', sa.Integer(), server_default='100', nullable=False))
    op.create_index('residents_by_household', 'resident', ['pool', 'place', 'household'], unique=False)
    op.create_index('sales_by_resident', 'sale', ['pool', 'account', 'business_date'], unique=False)
    op.create_table('redemption_terms',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('valid_from', sa.Date(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('fen_remainder', sa.String(length=16), nullable=False),
    sa.Column('bill_share_bp', sa.Integer(), nullable=False),
    sa.Column('excluded_categories', sa.Text(), nullable=False),
    sa.Column('per_sale_points', sa.BigInteger(), nullable=True),
    sa.Column('per_day_points', sa.BigInteger(), nullable=True),
    sa.Column('per_household_day_points', sa.BigInteger(), nullable=True),
    sa.Column('minimum_points', sa.BigInteger(), nullable=True),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.CheckConstraint('bill_share_bp BETWEEN 0 AND 10000', name=op.f('points_pay_at_most_the_whole_bill')),
    sa.ForeignKeyConstraint(['pool'], ['pool.pool'], name='redemption_terms_belong_to_a_pool'),
    sa.PrimaryKeyConstraint('pool', 'valid_from', 'version', name='redemption_terms_are_numbered_by_their_day')
    )
    op.create_guard(Guard(table='redemption_terms', name='redemption_terms_is_never_updated', on='UPDATE', says='redemption terms are never changed: set others from a later day', when=None))
    op.create_guard(Guard(table='redemption_terms', name='redemption_terms_is_never_deleted', on='DELETE', says='redemption terms are never changed: set others from a later day', when=None))
    sanction = op.create_table('sanction',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('account', sa.String(length=16), nullable=False),
    sa.Column('sanction_no', sa.Integer(), nullable=False),
    sa.Column('what', sa.String(length=16), nullable=False),
    sa.Column('until', sa.Date(), nullable=True),
    sa.Column('credit_change', sa.Integer(), nullable=False),
    sa.Column('credit_score', sa.Integer(), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('evidence', sa.String(length=200), nullable=False),
    sa.Column('decided_by', sa.String(length=80), nullable=False),
    sa.Column('decision', sa.String(length=64), nullable=True),
    sa.Column('recorded_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint("what IN ('block', 'unblock', 'ban', 'lift_ban', 'credit')", name=op.f('a_sanction_is_a_known_one')),
    sa.ForeignKeyConstraint(['pool', 'account'], ['resident.pool', 'resident.account'], name='a_sanction_is_a_residents'),
    sa.PrimaryKeyConstraint('pool', 'account', 'sanction_no', name='sanctions_of_one_are_counted'),
    sa.UniqueConstraint('pool', 'decision', name='a_decision_counts_once')
    )
    op.create_guard(Guard(table='sanction', name='sanction_is_never_updated', on='UPDATE', says='a decision stands: take another one', when=None))
    op.create_guard(Guard(table='sanction', name='sanction_is_never_deleted', on='DELETE', says='a decision stands: take another one', when=None))
    op.create_table('limited_goods',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('sale_id', sa.String(length=36), nullable=False),
    sa.Column('item_id', sa.String(length=32), nullable=False),
    sa.Column('account', sa.String(length=16), nullable=False),
    sa.Column('quantity_milli', sa.BigInteger(), nullable=False),
    sa.Column('held_until', UtcDateTime(), nullable=False),
    sa.CheckConstraint('quantity_milli > 0', name=op.f('a_question_reserves_something')),
    sa.ForeignKeyConstraint(['pool', 'sale_id'], ['sale.pool', 'sale.sale_id'], name='goods_are_reserved_for_a_sale'),
    sa.PrimaryKeyConstraint('pool', 'sale_id', 'item_id', name='a_question_names_an_item_once')
    )
    op.create_guard(Guard(table='limited_goods', name='limited_goods_is_never_updated', on='UPDATE', says='what a question asked for is never changed', when=None))
    op.create_guard(Guard(table='limited_goods', name='limited_goods_is_never_deleted', on='DELETE', says='what a question asked for is never changed', when=None))
    op.create_index('reserved_goods_by_resident', 'limited_goods', ['pool', 'account', 'held_until'], unique=False)
    op.create_table('over_limit',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('sale_id', sa.String(length=36), nullable=False),
    sa.Column('what', sa.String(length=32), nullable=False),
    sa.Column('item_id', sa.String(length=32), nullable=False),
    sa.Column('account', sa.String(length=16), nullable=False),
    sa.Column('business_date', sa.Date(), nullable=False),
    sa.Column('used', sa.BigInteger(), nullable=False),
    sa.Column('allowed', sa.BigInteger(), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('used > allowed', name=op.f('over_a_limit_is_more_than_it_allows')),
    sa.ForeignKeyConstraint(['pool', 'sale_id'], ['sale.pool', 'sale.sale_id'], name='a_booked_sale_is_over_a_limit'),
    sa.PrimaryKeyConstraint('pool', 'sale_id', 'what', 'item_id', name='a_sale_goes_over_a_limit_once')
    )
    op.create_guard(Guard(table='over_limit', name='over_limit_is_never_updated', on='UPDATE', says='that a sale went over a limit stays on record', when=None))
    op.create_guard(Guard(table='over_limit', name='over_limit_is_never_deleted', on='DELETE', says='that a sale went over a limit stays on record', when=None))
    op.create_index('over_limits_by_day', 'over_limit', ['pool', 'business_date'], unique=False)
    _keep_old_decisions(sanction)


def _keep_old_decisions(sanction: sa.Table) -> None:
    """What was decided before stands in the facts alone: a replay of them writes these rows."""
    fact = sa.table(
        'fact',
        sa.column('pool', sa.String),
        sa.column('fact_no', sa.BigInteger),
        sa.column('kind', sa.String),
        sa.column('body', sa.LargeBinary),
        sa.column('recorded_at', UtcDateTime()),
    )
    connection = op.get_bind()
    found = connection.execute(
        sa.select(fact).where(fact.c.kind.in_(SANCTIONS)).order_by(fact.c.pool, fact.c.fact_no)
    ).all()
    state: dict[tuple[str, str], tuple[str, str | None, int]] = {}
    rows = []
    for row in found:
        told = json.loads(bytes(row.body))
        key = (row.pool, told['account'])
        status, until, count = state.get(key, ('unblock', None, 0))
        what = SANCTIONS[row.kind]
        before = (status, until)
        if what == 'ban':
            until = told['until']
            what = 'ban' if until is not None else 'lift_ban'
        else:
            status = what
        if (status, until) == before:
            continue
        state[key] = (status, until, count + 1)
        rows.append(
            {
                'pool': row.pool,
                'account': told['account'],
                'sanction_no': count + 1,
                'what': what,
                'until': until if what == 'ban' else None,
                'credit_change': 0,
                'credit_score': 100,
                'reason': told['reason'],
                'evidence': told.get('evidence', ''),
                'decided_by': told.get('decided_by', ''),
                'decision': None,
                'recorded_at': row.recorded_at,
            }
        )
    for each in rows:
        each['until'] = date.fromisoformat(each['until']) if each['until'] else None
    if rows:
        connection.execute(sa.insert(sanction), rows)


def downgrade() -> None:
    op.drop_table('over_limit')
    op.drop_table('limited_goods')
    op.drop_table('sanction')
    op.drop_table('redemption_terms')
    op.drop_index('sales_by_resident', table_name='sale')
    op.drop_index('residents_by_household', table_name='resident')
    op.drop_column('resident', 'credit_score')
    op.drop_column('item', 'limit_period')
    op.drop_column('item', 'limit_per_household')
    op.drop_column('item', 'limit_per_resident')
    op.drop_column('pool', 'cover_hard_bp')
    op.drop_column('pool', 'cover_warning_bp')
    op.drop_column('pool', 'points_expire_after_days')
