"""day sums: what merchants' transfers came to, summed ahead; and statements' lines through them"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

SUMMED = (
    'takings_fen', 'takings_returned_fen', 'declared_fen', 'redeemed_points', 'returned_points',
    'reimbursement_fen', 'reimbursement_returned_fen', 'fee_fen', 'adjustment_fen', 'share_fen',
    'minimum_fen', 'rent_fen', 'paid_fen', 'received_fen',
)
KEY = ('merchant', 'business_date', 'terms_day', 'shop', 'kind', 'source', 'after_fact')
ACCOUNTS = ('merchant:', 'takings:', 'redeemed:', 'returned:')
OWED = {
    'reimbursement': ('reimbursement_fen', 1),
    'reimbursement_returned': ('reimbursement_returned_fen', -1),
    'fee': ('fee_fen', 1),
    'adjustment': ('adjustment_fen', 1),
    'share': ('share_fen', -1),
    'share_minimum': ('minimum_fen', -1),
    'rent': ('rent_fen', -1),
    'paid_out': ('paid_fen', -1),
    'received': ('received_fen', 1),
}
# As far as the last run summed: what was booked since is summed by the next one.
UPTO = """(SELECT COALESCE(MAX(before.entry_no), 0) FROM entry AS before
    WHERE before.pool = entry.pool AND before.fact_no < (
        SELECT MAX(settlement_run.fact_no) FROM settlement_run
        WHERE settlement_run.pool = entry.pool))"""


def upgrade() -> None:
    op.execute('CREATE TABLE statement_line_before AS SELECT * FROM statement_line')
    op.drop_index('lines_by_statement', table_name='statement_line')
    op.drop_table('statement_line')
    _create_day_sums()
    _create_lines()
    _sum_up()
    op.drop_table('statement_line_before')
    op.drop_column('statement', 'settled_below')


def downgrade() -> None:
    # 1: every statement looks through the merchant's whole history, as the first one did.
    op.add_column('statement', sa.Column('settled_below', sa.BigInteger(), server_default='1', nullable=False))
    op.execute(
        'CREATE TABLE statement_line_before AS SELECT statement_line.pool, transfer_no,'
        ' day_sum.statement, contract, day_sum.business_date < statement.period_from AS late'
        ' FROM statement_line JOIN day_sum ON day_sum.pool = statement_line.pool'
        ' AND day_sum.day_sum = statement_line.day_sum'
        ' JOIN statement ON statement.pool = day_sum.pool AND statement.statement = day_sum.statement'
    )
    op.drop_index('lines_by_day_sum', table_name='statement_line')
    op.drop_table('statement_line')
    op.drop_index('day_sums_that_wait', table_name='day_sum')
    op.drop_index('day_sums_by_statement', table_name='day_sum')
    op.drop_table('day_sum')
    op.drop_table('day_sum_head')
    _create_lines_of_before()
    op.execute(
        'INSERT INTO statement_line (pool, transfer_no, statement, contract, late)'
        ' SELECT pool, transfer_no, statement, contract, late FROM statement_line_before'
    )
    op.drop_table('statement_line_before')


def _create_day_sums() -> None:
    op.create_table('day_sum_head',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('upto_entry', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('pool', name='a_pool_is_summed_in_one_order')
    )
    op.create_guard(Guard(table='day_sum_head', name='day_sum_head_is_never_deleted', on='DELETE', says='what is summed stays summed', when=None))
    op.create_guard(Guard(table='day_sum_head', name='day_sum_head_never_steps_back', on='UPDATE', says='day sums only take in more entries', when='NEW.upto_entry < OLD.upto_entry OR NEW.pool <> OLD.pool'))
    op.create_table('day_sum',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('day_sum', sa.BigInteger(), nullable=False),
    sa.Column('merchant', sa.String(length=64), nullable=False),
    sa.Column('business_date', sa.Date(), nullable=False),
    sa.Column('terms_day', sa.Date(), nullable=False),
    sa.Column('shop', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=32), nullable=False),
    sa.Column('source', sa.String(length=64), nullable=False),
    sa.Column('after_fact', sa.BigInteger(), nullable=False),
    sa.Column('entries', sa.Integer(), nullable=False),
    sa.Column('money_points_fen', sa.BigInteger(), nullable=False),
    sa.Column('takings_fen', sa.BigInteger(), nullable=False),
    sa.Column('takings_returned_fen', sa.BigInteger(), nullable=False),
    sa.Column('declared_fen', sa.BigInteger(), nullable=False),
    sa.Column('redeemed_points', sa.BigInteger(), nullable=False),
    sa.Column('returned_points', sa.BigInteger(), nullable=False),
    sa.Column('reimbursement_fen', sa.BigInteger(), nullable=False),
    sa.Column('reimbursement_returned_fen', sa.BigInteger(), nullable=False),
    sa.Column('fee_fen', sa.BigInteger(), nullable=False),
    sa.Column('adjustment_fen', sa.BigInteger(), nullable=False),
    sa.Column('share_fen', sa.BigInteger(), nullable=False),
    sa.Column('minimum_fen', sa.BigInteger(), nullable=False),
    sa.Column('rent_fen', sa.BigInteger(), nullable=False),
    sa.Column('paid_fen', sa.BigInteger(), nullable=False),
    sa.Column('received_fen', sa.BigInteger(), nullable=False),
    sa.Column('lost', sa.Integer(), nullable=False),
    sa.Column('odd_no', sa.BigInteger(), nullable=True),
    sa.Column('statement', sa.String(length=80), nullable=True),
    sa.Column('contract', sa.String(length=64), nullable=True),
    sa.CheckConstraint('contract IS NULL OR statement IS NOT NULL', name=op.f('a_contract_counts_on_a_statement')),
    sa.CheckConstraint('entries > 0', name=op.f('a_day_sum_sums_something')),
    sa.ForeignKeyConstraint(['pool', 'contract'], ['contract.pool', 'contract.contract'], name='a_day_sum_counts_under_a_contract'),
    sa.ForeignKeyConstraint(['pool', 'merchant'], ['merchant.pool', 'merchant.merchant'], name='a_day_sum_is_a_known_merchants'),
    sa.ForeignKeyConstraint(['pool', 'statement'], ['statement.pool', 'statement.statement'], name='a_day_sum_stands_on_a_statement'),
    sa.PrimaryKeyConstraint('pool', 'day_sum', name='a_day_sum_is_named_by_its_first_transfer'),
    sa.UniqueConstraint('pool', 'merchant', 'business_date', 'terms_day', 'shop', 'kind', 'source', 'after_fact', name='entries_that_agree_are_summed_in_one_row')
    )
    op.create_guard(Guard(table='day_sum', name='day_sum_is_never_deleted', on='DELETE', says='a day sum is never deleted', when=None))
    op.create_guard(Guard(table='day_sum', name='day_sum_on_a_statement_is_never_changed', on='UPDATE', says='what stands on a statement is never changed: corrections go into the next', when='OLD.statement IS NOT NULL'))
    op.create_index('day_sums_by_statement', 'day_sum', ['pool', 'statement', 'day_sum'], unique=False)
    op.create_index('day_sums_that_wait', 'day_sum', ['pool', 'merchant', 'day_sum'], unique=False, sqlite_where=sa.text('statement IS NULL'), postgresql_where=sa.text('statement IS NULL'))


def _create_lines() -> None:
    op.create_table('statement_line',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('transfer_no', sa.BigInteger(), nullable=False),
    sa.Column('day_sum', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'day_sum'], ['day_sum.pool', 'day_sum.day_sum'], name='a_line_is_in_a_day_sum'),
    sa.ForeignKeyConstraint(['pool', 'transfer_no'], ['transfer.pool', 'transfer.transfer_no'], name='a_statement_line_is_a_transfer'),
    sa.PrimaryKeyConstraint('pool', 'transfer_no', name='a_transfer_is_in_one_day_sum')
    )
    _guard_lines()
    op.create_index('lines_by_day_sum', 'statement_line', ['pool', 'day_sum', 'transfer_no'], unique=False)


def _create_lines_of_before() -> None:
    op.create_table('statement_line',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('transfer_no', sa.BigInteger(), nullable=False),
    sa.Column('statement', sa.String(length=80), nullable=False),
    sa.Column('contract', sa.String(length=64), nullable=True),
    sa.Column('late', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'contract'], ['contract.pool', 'contract.contract'], name='a_line_counts_under_a_contract'),
    sa.ForeignKeyConstraint(['pool', 'statement'], ['statement.pool', 'statement.statement'], name='a_line_belongs_to_a_statement'),
    sa.ForeignKeyConstraint(['pool', 'transfer_no'], ['transfer.pool', 'transfer.transfer_no'], name='a_statement_line_is_a_transfer'),
    sa.PrimaryKeyConstraint('pool', 'transfer_no', name='a_transfer_is_in_one_statement')
    )
    _guard_lines()
    op.create_index('lines_by_statement', 'statement_line', ['pool', 'statement', 'transfer_no'], unique=False)


def _guard_lines() -> None:
    op.create_guard(Guard(table='statement_line', name='statement_line_is_never_updated', on='UPDATE', says="a statement's line is never changed", when=None))
    op.create_guard(Guard(table='statement_line', name='statement_line_is_never_deleted', on='DELETE', says="a statement's line is never changed", when=None))


def _sum_up() -> None:
    op.execute(f'CREATE TABLE leg_before AS {_legs()}')
    op.execute(
        'INSERT INTO day_sum_head (pool, upto_entry) SELECT pool, COALESCE((SELECT MAX(entry_no)'
        ' FROM entry WHERE entry.pool = run.pool AND entry.fact_no < run.fact_no), 0)'
        ' FROM (SELECT pool, MAX(fact_no) AS fact_no FROM settlement_run GROUP BY pool) AS run'
    )
    key = ', '.join(KEY)
    sums = ', '.join(f'SUM({name})' for name in SUMMED)
    op.execute(
        f"INSERT INTO day_sum (pool, day_sum, {key}, entries, money_points_fen, lost, {', '.join(SUMMED)},"
        f' odd_no, statement, contract) SELECT pool, MIN(transfer_no), {key}, SUM(first),'
        f' SUM(first * money_points_fen), SUM(first * lost), {sums}, MIN(odd_no), MAX(statement),'
        f' MAX(contract) FROM leg_before GROUP BY pool, {key}'
    )
    same = ' AND '.join(f'day_sum.{name} = leg_before.{name}' for name in ('pool', *KEY))
    op.execute(
        'INSERT INTO statement_line (pool, transfer_no, day_sum)'
        ' SELECT leg_before.pool, leg_before.transfer_no, day_sum.day_sum'
        f' FROM leg_before JOIN day_sum ON {same}'
    )
    op.drop_table('leg_before')


def _legs() -> str:
    """Each side of a transfer that is on a merchant's account, with all that a day sum needs."""
    sides = ' UNION ALL '.join(
        'SELECT transfer.pool, entry_no, transfer_no, code,'
        f" '{prefix}' AS prefix, substr({side}, {len(prefix) + 1}) AS merchant, {sign}amount AS signed"
        f" FROM transfer WHERE {side} LIKE '{prefix}%'"
        for side, sign in (('credit_account', ''), ('debit_account', '-'))
        for prefix in ACCOUNTS
    )
    moved = {
        'takings_fen': "prefix = 'takings:' AND code <> 'takings_declared' AND signed > 0 THEN signed",
        'takings_returned_fen': "prefix = 'takings:' AND code <> 'takings_declared' AND signed < 0 THEN -signed",
        'declared_fen': "prefix = 'takings:' AND code = 'takings_declared' THEN signed",
        'redeemed_points': "prefix = 'redeemed:' THEN signed",
        'returned_points': "prefix = 'returned:' THEN -signed",
    }
    moved |= {
        name: f"prefix = 'merchant:' AND code = '{code}' THEN {sign} * signed"
        for code, (name, sign) in OWED.items()
    }
    sums = ', '.join(f'CASE WHEN {moved[name]} ELSE 0 END AS {name}' for name in SUMMED)
    known = ', '.join(f"'{code}'" for code in OWED)
    return f"""
        SELECT leg.pool, leg.transfer_no, leg.merchant, entry.business_date,
            COALESCE(sale.business_date, entry.business_date) AS terms_day,
            COALESCE(terminal.shop, declared_takings.shop, '') AS shop, entry.kind,
            CASE WHEN entry.kind = 'share' THEN line.contract
                WHEN entry.kind = 'declared' THEN 'declared'
                ELSE COALESCE(sale.amounts_source, '') END AS source,
            CASE WHEN entry.kind = 'share' THEN charging.fact_no ELSE COALESCE(
                (SELECT MAX(settlement_run.fact_no) FROM settlement_run
                WHERE settlement_run.pool = entry.pool
                AND settlement_run.fact_no < entry.fact_no), 0) END AS after_fact,
            CASE WHEN entry.kind = 'share' THEN 0
                WHEN ROW_NUMBER() OVER (PARTITION BY leg.pool, leg.entry_no, leg.merchant
                ORDER BY leg.transfer_no) = 1 THEN 1 ELSE 0 END
            + CASE WHEN entry.kind = 'share' AND ROW_NUMBER() OVER (
                PARTITION BY leg.pool, leg.entry_no, leg.merchant, line.contract
                ORDER BY leg.transfer_no) = 1 THEN 1 ELSE 0 END AS first,
            CASE WHEN entry.kind = 'sale'
                    THEN COALESCE(sale.points_for_money * sale.fen_per_point, 0)
                WHEN entry.kind = 'refund' THEN
                    -COALESCE(refund.points_for_money, 0) * COALESCE(sale.fen_per_point, 0)
                ELSE 0 END AS money_points_fen,
            CASE WHEN entry.kind IN ('sale', 'refund') AND sale.sale_id IS NULL
                THEN 1 ELSE 0 END AS lost,
            CASE WHEN prefix = 'merchant:' AND code NOT IN ({known})
                THEN leg.transfer_no END AS odd_no,
            line.statement, line.contract, {sums}
        FROM ({sides}) AS leg
        JOIN entry ON entry.pool = leg.pool AND entry.entry_no = leg.entry_no
        LEFT JOIN statement_line_before AS line
            ON line.pool = leg.pool AND line.transfer_no = leg.transfer_no
        LEFT JOIN statement ON statement.pool = line.pool AND statement.statement = line.statement
        LEFT JOIN settlement_run AS charging
            ON charging.pool = statement.pool AND charging.run = statement.run
        LEFT JOIN refund ON entry.kind = 'refund' AND refund.pool = entry.pool
            AND refund.refund_id = substr(entry.key, 8)
        LEFT JOIN sale ON sale.pool = entry.pool AND sale.sale_id = CASE entry.kind
            WHEN 'sale' THEN substr(entry.key, 6) WHEN 'refund' THEN entry.memo END
        LEFT JOIN declared_takings ON entry.kind = 'declared'
            AND declared_takings.pool = entry.pool AND declared_takings.key = entry.key
        LEFT JOIN terminal ON terminal.pool = sale.pool AND terminal.terminal = sale.terminal
        WHERE entry.entry_no <= {UPTO} OR entry.kind = 'share'
    """
