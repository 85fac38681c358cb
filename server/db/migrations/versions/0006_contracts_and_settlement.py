"""contracts and settlement"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard
from server.db.metadata import UtcDateTime

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


REBUILT = ('statement_line', 'statement_share', 'statement')
"""Children first: nothing refers to what is dropped."""

# All that a merchant was owed so far was the sum of his statements' nets: nothing was paid yet.
OPENING = """COALESCE(SUM(made.net_fen) OVER (
    PARTITION BY made.pool, made.merchant ORDER BY made.period_through
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)"""

KEPT = (
    'pool, statement, merchant, period_from, period_through, run, sales_count, refunds_count,'
    ' takings_fen, takings_returned_fen, redeemed_points, returned_points, reimbursement_fen,'
    ' reimbursement_returned_fen, share_fen, net_fen, settled_below'
)


def upgrade() -> None:
    op.add_column('contract', sa.Column('shop', sa.String(length=32), nullable=True))
    op.add_column('contract', sa.Column('terms', sa.Text(), nullable=True))
    op.add_column('settlement_run', sa.Column('manner', sa.String(length=16), server_default='at_once', nullable=False))
    _set_aside()
    _create_runs()
    _create_statements()
    _bring_back_to_new()
    # Last: these tables refer to statements, which what stands above may build anew.
    _create_states()


def downgrade() -> None:
    """Only books whose statements know nothing but share and reimbursement go back."""
    _drop_states()
    op.drop_table('statement_rent')
    op.drop_table('statement_minimum')
    op.drop_table('left_open')
    op.drop_table('settlement_close')
    op.drop_index('declarations_by_merchant', table_name='declared_takings')
    op.drop_table('declared_takings')
    _set_aside()
    _create_statements_of_before()
    _bring_back_to_old()
    op.drop_column('settlement_run', 'manner')
    op.drop_column('contract', 'terms')
    op.drop_column('contract', 'shop')


def _set_aside() -> None:
    """SQLite cannot change a table's checks and keys: the tables are made anew, with their rows."""
    for name in REBUILT:
        op.execute(f'CREATE TABLE {name}_before AS SELECT * FROM {name}')
        op.drop_table(name)


def _drop_set_aside() -> None:
    for name in REBUILT:
        op.drop_table(f'{name}_before')


def _bring_back_to_new() -> None:
    made = ', '.join(f'made.{name.strip()}' for name in KEPT.split(','))
    op.execute(
        f'INSERT INTO statement ({KEPT}, cycle, issued_at, declared_fen, minimum_fen, rent_fen,'
        ' fee_fen, adjustment_fen, opening_fen, paid_fen, received_fen, closing_fen)'
        f" SELECT {made}, 'run', settlement_run.settled_at, 0, 0, 0, 0, 0, {OPENING}, 0, 0,"
        f' {OPENING} + made.net_fen'
        ' FROM statement_before AS made JOIN settlement_run'
        ' ON settlement_run.pool = made.pool AND settlement_run.run = made.run'
    )
    op.execute(
        'INSERT INTO statement_share (pool, statement, contract, month, category, basis, from_fen,'
        ' share_bp, takings_fen, share_fen)'
        " SELECT pool, statement, contract, '', '', 'cash', 0, share_bp, takings_fen, share_fen"
        ' FROM statement_share_before'
    )
    op.execute(
        'INSERT INTO statement_line (pool, transfer_no, statement, contract, late)'
        ' SELECT pool, transfer_no, statement, contract, late FROM statement_line_before'
    )
    _drop_set_aside()


def _bring_back_to_old() -> None:
    op.execute(f'INSERT INTO statement ({KEPT}) SELECT {KEPT} FROM statement_before')
    op.execute(
        'INSERT INTO statement_share (pool, statement, contract, share_bp, takings_fen, share_fen)'
        ' SELECT pool, statement, contract, MAX(share_bp), SUM(takings_fen), SUM(share_fen)'
        ' FROM statement_share_before GROUP BY pool, statement, contract'
    )
    op.execute(
        'INSERT INTO statement_line (pool, transfer_no, statement, contract, late)'
        ' SELECT pool, transfer_no, statement, contract, late FROM statement_line_before'
    )
    _drop_set_aside()


def _create_runs() -> None:
    op.create_table('settlement_close',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('run', sa.String(length=64), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.Column('closed_at', UtcDateTime(), nullable=False),
    sa.Column('closed_by', sa.String(length=128), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='a_close_is_a_fact'),
    sa.ForeignKeyConstraint(['pool', 'run'], ['settlement_run.pool', 'settlement_run.run'], name='a_close_is_of_a_known_run'),
    sa.PrimaryKeyConstraint('pool', 'run', name='a_settlement_run_is_closed_once')
    )
    op.create_guard(Guard(table='settlement_close', name='settlement_close_is_never_updated', on='UPDATE', says='a closed run stays closed: corrections go into the next', when=None))
    op.create_guard(Guard(table='settlement_close', name='settlement_close_is_never_deleted', on='DELETE', says='a closed run stays closed: corrections go into the next', when=None))
    op.create_table('left_open',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('run', sa.String(length=64), nullable=False),
    sa.Column('merchant', sa.String(length=64), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'merchant'], ['merchant.pool', 'merchant.merchant'], name='a_known_merchant_is_left_open'),
    sa.ForeignKeyConstraint(['pool', 'run'], ['settlement_close.pool', 'settlement_close.run'], name='only_a_closed_run_leaves_somebody_open'),
    sa.PrimaryKeyConstraint('pool', 'run', 'merchant', name='a_run_leaves_a_merchant_open_once')
    )
    op.create_guard(Guard(table='left_open', name='left_open_is_never_updated', on='UPDATE', says='whom a run left open stays on record: settle him now', when=None))
    op.create_guard(Guard(table='left_open', name='left_open_is_never_deleted', on='DELETE', says='whom a run left open stays on record: settle him now', when=None))
    op.create_table('declared_takings',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('terminal', sa.String(length=32), nullable=False),
    sa.Column('z_no', sa.BigInteger(), nullable=False),
    sa.Column('key', sa.String(length=80), nullable=False),
    sa.Column('shop', sa.String(length=32), nullable=False),
    sa.Column('merchant', sa.String(length=32), nullable=False),
    sa.Column('business_date', sa.Date(), nullable=False),
    sa.Column('occurred_at', UtcDateTime(), nullable=False),
    sa.Column('takings', sa.Text(), nullable=False),
    sa.Column('declared_fen', sa.BigInteger(), nullable=False),
    sa.Column('told_fen', sa.BigInteger(), nullable=False),
    sa.Column('counted_fen', sa.BigInteger(), nullable=False),
    sa.Column('difference_fen', sa.BigInteger(), nullable=False),
    sa.Column('content_hash', sa.String(length=64), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('difference_fen = declared_fen - counted_fen', name=op.f('a_difference_is_declared_less_counted')),
    sa.ForeignKeyConstraint(['pool', 'terminal'], ['terminal.pool', 'terminal.terminal'], name='takings_are_declared_at_a_known_terminal'),
    sa.PrimaryKeyConstraint('pool', 'terminal', 'z_no', name='a_z_report_declares_once'),
    sa.UniqueConstraint('pool', 'key', name='a_declaration_has_one_key'),
    sa.UniqueConstraint('pool', 'terminal', 'epoch', 'seq', name='a_record_declares_once')
    )
    op.create_guard(Guard(table='declared_takings', name='declared_takings_is_never_updated', on='UPDATE', says='what was declared stands: declare again with the next Z report', when=None))
    op.create_guard(Guard(table='declared_takings', name='declared_takings_is_never_deleted', on='DELETE', says='what was declared stands: declare again with the next Z report', when=None))
    op.create_index('declarations_by_merchant', 'declared_takings', ['pool', 'merchant', 'business_date'], unique=False)


def _create_statements() -> None:
    op.create_table('statement',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('statement', sa.String(length=80), nullable=False),
    sa.Column('merchant', sa.String(length=64), nullable=False),
    sa.Column('period_from', sa.Date(), nullable=False),
    sa.Column('period_through', sa.Date(), nullable=False),
    sa.Column('run', sa.String(length=64), nullable=False),
    sa.Column('sales_count', sa.Integer(), nullable=False),
    sa.Column('refunds_count', sa.Integer(), nullable=False),
    sa.Column('takings_fen', sa.BigInteger(), nullable=False),
    sa.Column('takings_returned_fen', sa.BigInteger(), nullable=False),
    sa.Column('redeemed_points', sa.BigInteger(), nullable=False),
    sa.Column('returned_points', sa.BigInteger(), nullable=False),
    sa.Column('reimbursement_fen', sa.BigInteger(), nullable=False),
    sa.Column('reimbursement_returned_fen', sa.BigInteger(), nullable=False),
    sa.Column('share_fen', sa.BigInteger(), nullable=False),
    sa.Column('net_fen', sa.BigInteger(), nullable=False),
    sa.Column('settled_below', sa.BigInteger(), nullable=False),
    sa.Column('cycle', sa.String(length=8), nullable=False),
    sa.Column('issued_at', UtcDateTime(), nullable=False),
    sa.Column('declared_fen', sa.BigInteger(), nullable=False),
    sa.Column('minimum_fen', sa.BigInteger(), nullable=False),
    sa.Column('rent_fen', sa.BigInteger(), nullable=False),
    sa.Column('fee_fen', sa.BigInteger(), nullable=False),
    sa.Column('adjustment_fen', sa.BigInteger(), nullable=False),
    sa.Column('opening_fen', sa.BigInteger(), nullable=False),
    sa.Column('paid_fen', sa.BigInteger(), nullable=False),
    sa.Column('received_fen', sa.BigInteger(), nullable=False),
    sa.Column('closing_fen', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("cycle IN ('run', 'day', 'week', 'month')", name=op.f('a_statement_has_a_cycle')),
    sa.CheckConstraint('closing_fen = opening_fen + net_fen - paid_fen + received_fen', name=op.f('a_statement_closes_with_what_is_owed')),
    sa.CheckConstraint('net_fen = reimbursement_fen - reimbursement_returned_fen + fee_fen + adjustment_fen - share_fen - minimum_fen - rent_fen', name=op.f('a_statement_adds_up')),
    sa.CheckConstraint('period_from <= period_through', name=op.f('a_period_has_at_least_one_day')),
    sa.ForeignKeyConstraint(['pool', 'merchant'], ['merchant.pool', 'merchant.merchant'], name='a_statement_is_for_a_known_merchant'),
    sa.ForeignKeyConstraint(['pool', 'run'], ['settlement_run.pool', 'settlement_run.run'], name='a_statement_belongs_to_a_run'),
    sa.PrimaryKeyConstraint('pool', 'statement', name='a_statement_has_one_id'),
    sa.UniqueConstraint('pool', 'merchant', 'period_through', name='a_merchant_has_one_statement_a_period')
    )
    op.create_guard(Guard(table='statement', name='statement_is_never_updated', on='UPDATE', says='a statement is never changed: corrections go into the next', when=None))
    op.create_guard(Guard(table='statement', name='statement_is_never_deleted', on='DELETE', says='a statement is never changed: corrections go into the next', when=None))
    op.create_index('statements_by_run', 'statement', ['pool', 'run', 'merchant'], unique=False)
    op.create_table('statement_share',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('statement', sa.String(length=80), nullable=False),
    sa.Column('contract', sa.String(length=64), nullable=False),
    sa.Column('month', sa.String(length=7), nullable=False),
    sa.Column('category', sa.String(length=80), nullable=False),
    sa.Column('basis', sa.String(length=4), nullable=False),
    sa.Column('from_fen', sa.BigInteger(), nullable=False),
    sa.Column('share_bp', sa.Integer(), nullable=False),
    sa.Column('takings_fen', sa.BigInteger(), nullable=False),
    sa.Column('share_fen', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'contract'], ['contract.pool', 'contract.contract'], name='a_share_is_owed_under_a_contract'),
    sa.ForeignKeyConstraint(['pool', 'statement'], ['statement.pool', 'statement.statement'], name='a_share_belongs_to_a_statement'),
    sa.PrimaryKeyConstraint('pool', 'statement', 'contract', 'month', 'category', 'from_fen', name='a_statement_shares_once_in_a_tier')
    )
    op.create_guard(Guard(table='statement_share', name='statement_share_is_never_updated', on='UPDATE', says='a share is never changed: corrections go into the next statement', when=None))
    op.create_guard(Guard(table='statement_share', name='statement_share_is_never_deleted', on='DELETE', says='a share is never changed: corrections go into the next statement', when=None))
    op.create_index('shares_by_month', 'statement_share', ['pool', 'contract', 'month'], unique=False)
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
    op.create_guard(Guard(table='statement_line', name='statement_line_is_never_updated', on='UPDATE', says="a statement's line is never changed", when=None))
    op.create_guard(Guard(table='statement_line', name='statement_line_is_never_deleted', on='DELETE', says="a statement's line is never changed", when=None))
    op.create_index('lines_by_statement', 'statement_line', ['pool', 'statement', 'transfer_no'], unique=False)
    op.create_table('statement_minimum',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('statement', sa.String(length=80), nullable=False),
    sa.Column('contract', sa.String(length=64), nullable=False),
    sa.Column('month', sa.String(length=7), nullable=False),
    sa.Column('days', sa.Integer(), nullable=False),
    sa.Column('minimum_fen', sa.BigInteger(), nullable=False),
    sa.Column('share_fen', sa.BigInteger(), nullable=False),
    sa.Column('added_fen', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'contract'], ['contract.pool', 'contract.contract'], name='a_minimum_is_owed_under_a_contract'),
    sa.ForeignKeyConstraint(['pool', 'statement'], ['statement.pool', 'statement.statement'], name='a_minimum_belongs_to_a_statement'),
    sa.PrimaryKeyConstraint('pool', 'statement', 'contract', 'month', name='a_minimum_is_made_up_once_a_month')
    )
    op.create_guard(Guard(table='statement_minimum', name='statement_minimum_is_never_updated', on='UPDATE', says='a minimum is never changed: late takings go into the next', when=None))
    op.create_guard(Guard(table='statement_minimum', name='statement_minimum_is_never_deleted', on='DELETE', says='a minimum is never changed: late takings go into the next', when=None))
    op.create_table('statement_rent',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('statement', sa.String(length=80), nullable=False),
    sa.Column('contract', sa.String(length=64), nullable=False),
    sa.Column('from_day', sa.Date(), nullable=False),
    sa.Column('through_day', sa.Date(), nullable=False),
    sa.Column('days', sa.Integer(), nullable=False),
    sa.Column('rent_fen', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('from_day <= through_day', name=op.f('a_rent_is_for_a_day_or_more')),
    sa.ForeignKeyConstraint(['pool', 'contract'], ['contract.pool', 'contract.contract'], name='a_rent_is_owed_under_a_contract'),
    sa.ForeignKeyConstraint(['pool', 'statement'], ['statement.pool', 'statement.statement'], name='a_rent_belongs_to_a_statement'),
    sa.PrimaryKeyConstraint('pool', 'statement', 'contract', 'from_day', name='a_day_is_rented_once_under_a_contract')
    )
    op.create_guard(Guard(table='statement_rent', name='statement_rent_is_never_updated', on='UPDATE', says='a rent is never changed: corrections go into the next statement', when=None))
    op.create_guard(Guard(table='statement_rent', name='statement_rent_is_never_deleted', on='DELETE', says='a rent is never changed: corrections go into the next statement', when=None))


def _create_statements_of_before() -> None:
    op.create_table('statement',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('statement', sa.String(length=80), nullable=False),
    sa.Column('merchant', sa.String(length=64), nullable=False),
    sa.Column('period_from', sa.Date(), nullable=False),
    sa.Column('period_through', sa.Date(), nullable=False),
    sa.Column('run', sa.String(length=64), nullable=False),
    sa.Column('sales_count', sa.Integer(), nullable=False),
    sa.Column('refunds_count', sa.Integer(), nullable=False),
    sa.Column('takings_fen', sa.BigInteger(), nullable=False),
    sa.Column('takings_returned_fen', sa.BigInteger(), nullable=False),
    sa.Column('redeemed_points', sa.BigInteger(), nullable=False),
    sa.Column('returned_points', sa.BigInteger(), nullable=False),
    sa.Column('reimbursement_fen', sa.BigInteger(), nullable=False),
    sa.Column('reimbursement_returned_fen', sa.BigInteger(), nullable=False),
    sa.Column('share_fen', sa.BigInteger(), nullable=False),
    sa.Column('net_fen', sa.BigInteger(), nullable=False),
    sa.Column('settled_below', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('net_fen = reimbursement_fen - reimbursement_returned_fen - share_fen', name=op.f('a_statement_adds_up')),
    sa.CheckConstraint('period_from <= period_through', name=op.f('a_period_has_at_least_one_day')),
    sa.ForeignKeyConstraint(['pool', 'merchant'], ['merchant.pool', 'merchant.merchant'], name='a_statement_is_for_a_known_merchant'),
    sa.ForeignKeyConstraint(['pool', 'run'], ['settlement_run.pool', 'settlement_run.run'], name='a_statement_belongs_to_a_run'),
    sa.PrimaryKeyConstraint('pool', 'statement', name='a_statement_has_one_id'),
    sa.UniqueConstraint('pool', 'merchant', 'period_through', name='a_merchant_has_one_statement_a_period')
    )
    op.create_guard(Guard(table='statement', name='statement_is_never_updated', on='UPDATE', says='a statement is never changed: corrections go into the next', when=None))
    op.create_guard(Guard(table='statement', name='statement_is_never_deleted', on='DELETE', says='a statement is never changed: corrections go into the next', when=None))
    op.create_index('statements_by_run', 'statement', ['pool', 'run', 'merchant'], unique=False)
    op.create_table('statement_share',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('statement', sa.String(length=80), nullable=False),
    sa.Column('contract', sa.String(length=64), nullable=False),
    sa.Column('share_bp', sa.Integer(), nullable=False),
    sa.Column('takings_fen', sa.BigInteger(), nullable=False),
    sa.Column('share_fen', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'contract'], ['contract.pool', 'contract.contract'], name='a_share_is_owed_under_a_contract'),
    sa.ForeignKeyConstraint(['pool', 'statement'], ['statement.pool', 'statement.statement'], name='a_share_belongs_to_a_statement'),
    sa.PrimaryKeyConstraint('pool', 'statement', 'contract', name='a_statement_shares_once_under_a_contract')
    )
    op.create_guard(Guard(table='statement_share', name='statement_share_is_never_updated', on='UPDATE', says='a share is never changed: corrections go into the next statement', when=None))
    op.create_guard(Guard(table='statement_share', name='statement_share_is_never_deleted', on='DELETE', says='a share is never changed: corrections go into the next statement', when=None))
    op.create_table('statement_line',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('transfer_no', sa.BigInteger(), nullable=False),
    sa.Column('statement', sa.String(length=80), nullable=False),
    sa.Column('contract', sa.String(length=64), nullable=False),
    sa.Column('late', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'contract'], ['contract.pool', 'contract.contract'], name='a_line_counts_under_a_contract'),
    sa.ForeignKeyConstraint(['pool', 'statement'], ['statement.pool', 'statement.statement'], name='a_line_belongs_to_a_statement'),
    sa.ForeignKeyConstraint(['pool', 'transfer_no'], ['transfer.pool', 'transfer.transfer_no'], name='a_statement_line_is_a_transfer'),
    sa.PrimaryKeyConstraint('pool', 'transfer_no', name='a_transfer_is_in_one_statement')
    )
    op.create_guard(Guard(table='statement_line', name='statement_line_is_never_updated', on='UPDATE', says="a statement's line is never changed", when=None))
    op.create_guard(Guard(table='statement_line', name='statement_line_is_never_deleted', on='DELETE', says="a statement's line is never changed", when=None))
    op.create_index('lines_by_statement', 'statement_line', ['pool', 'statement', 'transfer_no'], unique=False)


def _create_states() -> None:
    op.create_table('confirm_policy',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.Column('confirm_days', sa.Integer(), nullable=False),
    sa.Column('set_by', sa.String(length=128), nullable=False),
    sa.Column('set_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint('confirm_days BETWEEN 1 AND 60', name=op.f('a_merchant_has_a_day_to_sixty_to_look')),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='a_confirm_policy_is_a_fact'),
    sa.PrimaryKeyConstraint('pool', 'fact_no', name='a_confirm_policy_is_set_by_one_fact')
    )
    op.create_guard(Guard(table='confirm_policy', name='confirm_policy_is_never_updated', on='UPDATE', says='a confirm policy stands: set another one', when=None))
    op.create_guard(Guard(table='confirm_policy', name='confirm_policy_is_never_deleted', on='DELETE', says='a confirm policy stands: set another one', when=None))
    op.create_table('dispute',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('dispute', sa.String(length=64), nullable=False),
    sa.Column('statement', sa.String(length=80), nullable=False),
    sa.Column('line', sa.String(length=160), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('on_behalf', sa.String(length=200), nullable=False),
    sa.Column('raised_by', sa.String(length=128), nullable=False),
    sa.Column('raised_at', UtcDateTime(), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='a_dispute_is_a_fact'),
    sa.ForeignKeyConstraint(['pool', 'statement'], ['statement.pool', 'statement.statement'], name='a_dispute_is_about_a_statement'),
    sa.PrimaryKeyConstraint('pool', 'dispute', name='a_dispute_has_one_id'),
    sa.UniqueConstraint('pool', 'statement', 'line', name='a_line_is_disputed_once')
    )
    op.create_guard(Guard(table='dispute', name='dispute_is_never_updated', on='UPDATE', says='a dispute is never changed: it is answered', when=None))
    op.create_guard(Guard(table='dispute', name='dispute_is_never_deleted', on='DELETE', says='a dispute is never changed: it is answered', when=None))
    op.create_table('payment',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('payment', sa.String(length=64), nullable=False),
    sa.Column('merchant', sa.String(length=64), nullable=False),
    sa.Column('statement', sa.String(length=80), nullable=False),
    sa.Column('direction', sa.String(length=16), nullable=False),
    sa.Column('amount_fen', sa.BigInteger(), nullable=False),
    sa.Column('note', sa.String(length=200), nullable=False),
    sa.Column('proposed_by', sa.String(length=128), nullable=False),
    sa.Column('proposed_at', UtcDateTime(), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("direction IN ('pay', 'receive')", name=op.f('a_payment_goes_one_way')),
    sa.CheckConstraint('amount_fen > 0', name=op.f('a_payment_moves_something')),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='a_proposed_payment_is_a_fact'),
    sa.ForeignKeyConstraint(['pool', 'merchant'], ['merchant.pool', 'merchant.merchant'], name='a_payment_is_with_a_known_merchant'),
    sa.ForeignKeyConstraint(['pool', 'statement'], ['statement.pool', 'statement.statement'], name='a_payment_is_for_a_statement'),
    sa.PrimaryKeyConstraint('pool', 'payment', name='a_payment_has_one_id')
    )
    op.create_guard(Guard(table='payment', name='payment_is_never_updated', on='UPDATE', says='a proposed payment is never changed: withdraw it, and propose another one', when=None))
    op.create_guard(Guard(table='payment', name='payment_is_never_deleted', on='DELETE', says='a proposed payment is never changed: withdraw it, and propose another one', when=None))
    op.create_index('payments_by_merchant', 'payment', ['pool', 'merchant', 'payment'], unique=False)
    op.create_index('payments_by_statement', 'payment', ['pool', 'statement', 'payment'], unique=False)
    op.create_table('statement_move',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('statement', sa.String(length=80), nullable=False),
    sa.Column('move_no', sa.Integer(), nullable=False),
    sa.Column('move', sa.String(length=16), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('moved_by', sa.String(length=128), nullable=False),
    sa.Column('moved_at', UtcDateTime(), nullable=False),
    sa.Column('says', sa.String(length=200), nullable=False),
    sa.Column('carried_fen', sa.BigInteger(), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("carried_fen = 0 OR move = 'carry_forward'", name=op.f('only_carrying_forward_carries_money')),
    sa.CheckConstraint("state IN ('issued', 'confirmed', 'disputed', 'settled')", name=op.f('a_statement_is_in_a_known_state')),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='a_move_of_a_statement_is_a_fact'),
    sa.ForeignKeyConstraint(['pool', 'statement'], ['statement.pool', 'statement.statement'], name='a_move_is_of_a_statement'),
    sa.PrimaryKeyConstraint('pool', 'statement', 'move_no', name='moves_of_a_statement_are_counted')
    )
    op.create_guard(Guard(table='statement_move', name='statement_move_is_never_updated', on='UPDATE', says="a statement's move is never changed: make the next one", when=None))
    op.create_guard(Guard(table='statement_move', name='statement_move_is_never_deleted', on='DELETE', says="a statement's move is never changed: make the next one", when=None))
    op.create_table('dispute_answer',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('dispute', sa.String(length=64), nullable=False),
    sa.Column('verdict', sa.String(length=16), nullable=False),
    sa.Column('amount_fen', sa.BigInteger(), nullable=False),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('answered_by', sa.String(length=128), nullable=False),
    sa.Column('answered_at', UtcDateTime(), nullable=False),
    sa.Column('entry_no', sa.BigInteger(), nullable=True),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("(verdict = 'adjusted') = (amount_fen <> 0 AND entry_no IS NOT NULL)", name=op.f('an_adjustment_moves_something')),
    sa.CheckConstraint("verdict IN ('adjusted', 'refused')", name=op.f('a_dispute_is_adjusted_or_refused')),
    sa.ForeignKeyConstraint(['pool', 'dispute'], ['dispute.pool', 'dispute.dispute'], name='an_answer_is_to_a_dispute'),
    sa.ForeignKeyConstraint(['pool', 'entry_no'], ['entry.pool', 'entry.entry_no'], name='an_adjustment_is_an_entry'),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='an_answer_to_a_dispute_is_a_fact'),
    sa.PrimaryKeyConstraint('pool', 'dispute', name='a_dispute_is_answered_once')
    )
    op.create_guard(Guard(table='dispute_answer', name='dispute_answer_is_never_updated', on='UPDATE', says='an answer to a dispute stands', when=None))
    op.create_guard(Guard(table='dispute_answer', name='dispute_answer_is_never_deleted', on='DELETE', says='an answer to a dispute stands', when=None))
    op.create_table('payment_move',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('payment', sa.String(length=64), nullable=False),
    sa.Column('move_no', sa.Integer(), nullable=False),
    sa.Column('move', sa.String(length=16), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('moved_by', sa.String(length=128), nullable=False),
    sa.Column('moved_at', UtcDateTime(), nullable=False),
    sa.Column('says', sa.String(length=200), nullable=False),
    sa.Column('bank_ref', sa.String(length=64), nullable=True),
    sa.Column('paid_on', sa.Date(), nullable=True),
    sa.Column('transfer_no', sa.BigInteger(), nullable=True),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.CheckConstraint("(state = 'paid') = (bank_ref IS NOT NULL AND paid_on IS NOT NULL)", name=op.f('a_paid_payment_names_bank_and_day')),
    sa.CheckConstraint("(state IN ('paid', 'bounced')) = (transfer_no IS NOT NULL)", name=op.f('the_books_move_when_money_does')),
    sa.CheckConstraint("state IN ('approved', 'paid', 'bounced', 'withdrawn')", name=op.f('a_payment_is_in_a_known_state')),
    sa.ForeignKeyConstraint(['pool', 'fact_no'], ['fact.pool', 'fact.fact_no'], name='a_move_of_a_payment_is_a_fact'),
    sa.ForeignKeyConstraint(['pool', 'payment'], ['payment.pool', 'payment.payment'], name='a_move_is_of_a_payment'),
    sa.ForeignKeyConstraint(['pool', 'transfer_no'], ['transfer.pool', 'transfer.transfer_no'], name='a_payment_moves_a_transfer'),
    sa.PrimaryKeyConstraint('pool', 'payment', 'move_no', name='moves_of_a_payment_are_counted'),
    sa.UniqueConstraint('pool', 'bank_ref', name='a_bank_reference_stands_for_one_payment'),
    sa.UniqueConstraint('pool', 'payment', 'state', name='a_payment_is_in_a_state_once')
    )
    op.create_guard(Guard(table='payment_move', name='payment_move_is_never_updated', on='UPDATE', says="a payment's move is never changed: make the next one", when=None))
    op.create_guard(Guard(table='payment_move', name='payment_move_is_never_deleted', on='DELETE', says="a payment's move is never changed: make the next one", when=None))


def _drop_states() -> None:
    op.drop_table('payment_move')
    op.drop_table('dispute_answer')
    op.drop_table('statement_move')
    op.drop_index('payments_by_statement', table_name='payment')
    op.drop_index('payments_by_merchant', table_name='payment')
    op.drop_table('payment')
    op.drop_table('dispute')
    op.drop_table('confirm_policy')
