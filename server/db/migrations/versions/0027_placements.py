"""a day sum's place on a statement is a row of its own, which is added and never changed"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard, Lookup

revision = '0027'
down_revision = '0026'
branch_labels = None
depends_on = None

KEY = ('merchant', 'business_date', 'terms_day', 'shop', 'kind', 'source', 'after_fact')
SUMMED = (
    'takings_fen', 'takings_returned_fen', 'declared_fen', 'redeemed_points', 'returned_points',
    'reimbursement_fen', 'reimbursement_returned_fen', 'fee_fen', 'adjustment_fen', 'share_fen',
    'minimum_fen', 'rent_fen', 'paid_fen', 'received_fen',
)
KEPT = ('pool', 'day_sum', *KEY, 'entries', 'money_points_fen', *SUMMED, 'lost', 'odd_no')
LINES = ('pool', 'transfer_no', 'day_sum')
NO_DELETE = Guard(table='day_sum', name='day_sum_is_never_deleted', on='DELETE', says='a day sum is never deleted', when=None)
PLACED = 'what stands on a statement is never changed: corrections go into the next'
PLACED_BEFORE = Guard(table='day_sum', name='day_sum_on_a_statement_is_never_changed', on='UPDATE', says=PLACED, when='OLD.statement IS NOT NULL')
OF_DAY_SUMS = (
    Guard(table='day_sum', name='day_sum_keeps_its_name', on='UPDATE', says='a day sum keeps its name', when='NEW.day_sum <> OLD.day_sum OR NEW.pool <> OLD.pool'),
    Lookup(table='day_sum', name='day_sum_on_a_statement_is_never_changed', says=PLACED, other='placement', columns=('pool', 'day_sum'), refused='has'),
)
OF_CONTRACTS = (
    Guard(table='contract', name='contract_is_never_deleted', on='DELETE', says='a contract stays on record: end it', when=None),
    Guard(table='contract', name='contract_keeps_its_name', on='UPDATE', says='a contract keeps its name', when='NEW.contract <> OLD.contract OR NEW.pool <> OLD.pool'),
)
STAYS = 'what stands on a statement stays there: corrections go into the next'
OF_PLACEMENTS = (
    Guard(table='placement', name='placement_is_never_updated', on='UPDATE', says=STAYS, when=None),
    Guard(table='placement', name='placement_is_never_deleted', on='DELETE', says=STAYS, when=None),
    Lookup(table='placement', name='a_day_sum_is_placed', says='only a day sum has a place on a statement', other='day_sum', columns=('pool', 'day_sum'), refused='lacks'),
    Lookup(table='placement', name='a_place_is_on_a_statement', says='a day sum is placed on a statement that is there', other='statement', columns=('pool', 'statement'), refused='lacks', shared=True),
    Lookup(table='placement', name='a_place_counts_under_a_contract', says='a day sum counts under a contract that is there', other='contract', columns=('pool', 'contract'), refused='lacks', shared=True),
)
LINE_STAYS = "a statement's line is never changed"
LINES_STAY = (
    Guard(table='statement_line', name='statement_line_is_never_updated', on='UPDATE', says=LINE_STAYS, when=None),
    Guard(table='statement_line', name='statement_line_is_never_deleted', on='DELETE', says=LINE_STAYS, when=None),
)
OF_LINES = (
    Lookup(table='statement_line', name='a_statement_line_is_a_transfer', says="only a transfer is a statement's line", other='transfer', columns=('pool', 'transfer_no'), refused='lacks'),
    Lookup(table='statement_line', name='a_line_is_in_a_day_sum', says="a statement's line is in a day sum that is there", other='day_sum', columns=('pool', 'day_sum'), refused='lacks', shared=True),
)
TRANSFER_KEY = (['pool', 'transfer_no'], ['transfer.pool', 'transfer.transfer_no'], 'a_statement_line_is_a_transfer')
DAY_SUM_KEY = (['pool', 'day_sum'], ['day_sum.pool', 'day_sum.day_sum'], 'a_line_is_in_a_day_sum')
STATEMENT_KEY = (['pool', 'statement'], ['statement.pool', 'statement.statement'], 'a_day_sum_stands_on_a_statement')
CONTRACT_KEY = (['pool', 'contract'], ['contract.pool', 'contract.contract'], 'a_day_sum_counts_under_a_contract')
COUNTS = ('contract IS NULL OR statement IS NOT NULL', 'a_contract_counts_on_a_statement')
WAITS = 'statement IS NULL'


def upgrade() -> None:
    op.create_table('placement',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('day_sum', sa.BigInteger(), nullable=False),
    sa.Column('statement', sa.String(length=80), nullable=False),
    sa.Column('contract', sa.String(length=64), nullable=True),
    sa.PrimaryKeyConstraint('pool', 'day_sum', name='a_day_sum_stands_on_one_statement')
    )
    op.execute(
        'INSERT INTO placement (pool, day_sum, statement, contract)'
        ' SELECT pool, day_sum, statement, contract FROM day_sum WHERE statement IS NOT NULL'
    )
    op.create_index('placements_by_statement', 'placement', ['pool', 'statement', 'day_sum'], unique=False)
    if _in_sqlite():
        _put_aside()
        _create_day_sums()
        _create_lines()
        _take_back()
    else:
        _drop_guards(PLACED_BEFORE)
        op.drop_index('day_sums_that_wait', table_name='day_sum')
        op.drop_index('day_sums_by_statement', table_name='day_sum')
        # Takes with it what is said about them: two foreign keys and a check.
        op.drop_column('day_sum', 'contract')
        op.drop_column('day_sum', 'statement')
        for _, _, name in (TRANSFER_KEY, DAY_SUM_KEY):
            op.drop_constraint(name, 'statement_line', type_='foreignkey')
    op.create_index('day_sums_since_a_run', 'day_sum', ['pool', 'merchant', 'after_fact'], unique=False)
    _create_guards(*OF_PLACEMENTS, *OF_DAY_SUMS, *OF_LINES, *OF_CONTRACTS)


def downgrade() -> None:
    _drop_guards(*OF_DAY_SUMS, *OF_LINES, *OF_CONTRACTS)
    op.drop_index('day_sums_since_a_run', table_name='day_sum')
    places = (sa.Column('statement', sa.String(length=80), nullable=True), sa.Column('contract', sa.String(length=64), nullable=True))
    said = (sa.CheckConstraint(COUNTS[0], name=COUNTS[1]), *(_key(*each) for each in (STATEMENT_KEY, CONTRACT_KEY)))
    if _in_sqlite():
        _put_aside()
        _create_day_sums(*places, *said)
        _create_lines(*(_key(*each) for each in (TRANSFER_KEY, DAY_SUM_KEY)))
        _take_back()
    else:
        for column in places:
            op.add_column('day_sum', column)
        for own, of, name in (TRANSFER_KEY, DAY_SUM_KEY):
            op.create_foreign_key(name, 'statement_line', of[0].partition('.')[0], own, own)
    op.execute(
        'UPDATE day_sum SET statement = placed.statement, contract = placed.contract'
        ' FROM placement AS placed WHERE placed.pool = day_sum.pool AND placed.day_sum = day_sum.day_sum'
    )
    if not _in_sqlite():
        op.create_check_constraint(COUNTS[1], 'day_sum', COUNTS[0])
        for own, of, name in (STATEMENT_KEY, CONTRACT_KEY):
            op.create_foreign_key(name, 'day_sum', of[0].partition('.')[0], own, own)
    op.create_index('day_sums_by_statement', 'day_sum', ['pool', 'statement', 'day_sum'], unique=False)
    op.create_index('day_sums_that_wait', 'day_sum', ['pool', 'merchant', 'day_sum'], unique=False, sqlite_where=sa.text(WAITS), postgresql_where=sa.text(WAITS))
    _create_guards(PLACED_BEFORE)
    op.drop_index('placements_by_statement', table_name='placement')
    op.drop_table('placement')


def _in_sqlite() -> bool:
    """SQLite changes no constraint of a table that is there: it is made anew."""
    return op.get_bind().dialect.name == 'sqlite'


def _create_guards(*guards: Guard | Lookup) -> None:
    for each in guards:
        op.create_guard(each)


def _drop_guards(*guards: Guard | Lookup) -> None:
    for each in guards:
        op.execute(f'DROP TRIGGER {each.name}' if _in_sqlite() else f'DROP TRIGGER {each.name} ON "{each.table}"')
        if not _in_sqlite() and isinstance(each, Guard) and each.on == 'DELETE':
            op.execute(f'DROP TRIGGER {each.table}_is_never_truncated ON "{each.table}"')


def _key(own: list[str], of: list[str], name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(own, of, name=name)


def _put_aside() -> None:
    op.execute('CREATE TABLE statement_line_before AS SELECT * FROM statement_line')
    op.execute('CREATE TABLE day_sum_before AS SELECT * FROM day_sum')
    op.drop_table('statement_line')
    op.drop_table('day_sum')


def _take_back() -> None:
    for table, names in (('day_sum', KEPT), ('statement_line', LINES)):
        columns = ', '.join(names)
        op.execute(f'INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_before')
        op.drop_table(f'{table}_before')


def _create_day_sums(*more: sa.schema.SchemaItem) -> None:
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
    *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMMED),
    sa.Column('lost', sa.Integer(), nullable=False),
    sa.Column('odd_no', sa.BigInteger(), nullable=True),
    sa.CheckConstraint('entries > 0', name=op.f('a_day_sum_sums_something')),
    sa.ForeignKeyConstraint(['pool', 'merchant'], ['merchant.pool', 'merchant.merchant'], name='a_day_sum_is_a_known_merchants'),
    sa.PrimaryKeyConstraint('pool', 'day_sum', name='a_day_sum_is_named_by_its_first_transfer'),
    sa.UniqueConstraint('pool', *KEY, name='entries_that_agree_are_summed_in_one_row'),
    *more
    )
    _create_guards(NO_DELETE)


def _create_lines(*more: sa.schema.SchemaItem) -> None:
    op.create_table('statement_line',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('transfer_no', sa.BigInteger(), nullable=False),
    sa.Column('day_sum', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('pool', 'transfer_no', name='a_transfer_is_in_one_day_sum'),
    *more
    )
    _create_guards(*LINES_STAY)
    op.create_index('lines_by_day_sum', 'statement_line', ['pool', 'day_sum', 'transfer_no'], unique=False)
