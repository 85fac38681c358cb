"""rollups and roles"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

# An account stays what it was opened as: the guard stands aside while very busy ones become hot.
ACCOUNT_GUARD = Guard(
    table='account',
    name='account_never_loses_a_transfer',
    on='UPDATE',
    says="an account's sums only grow, and it stays what it was opened as",
    when='NEW.debits < OLD.debits OR NEW.credits < OLD.credits OR NEW.pool <> OLD.pool'
    ' OR NEW.account <> OLD.account OR NEW.asset <> OLD.asset OR NEW.kind <> OLD.kind'
    ' OR NEW.normal <> OLD.normal OR NEW.floor_at_zero <> OLD.floor_at_zero'
    ' OR NEW.hot <> OLD.hot',
)
EVERY_SALE_TOUCHES = "kind IN ('redeemed', 'merchant', 'takings')"


def upgrade() -> None:
    op.create_table(
        'rollup',
        sa.Column('pool', sa.String(length=32), nullable=False),
        sa.Column('account', sa.String(length=128), nullable=False),
        sa.Column('asset', sa.String(length=8), nullable=False),
        sa.Column('upto', sa.BigInteger(), nullable=False),
        sa.Column('debits', sa.BigInteger(), nullable=False),
        sa.Column('credits', sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            'upto >= 0 AND debits >= 0 AND credits >= 0',
            name=op.f('a_roll_up_sums_whole_numbers_from_zero'),
        ),
        sa.ForeignKeyConstraint(
            ['pool', 'account', 'asset'],
            ['account.pool', 'account.account', 'account.asset'],
            name='a_roll_up_is_of_a_known_account',
        ),
        sa.PrimaryKeyConstraint(
            'pool', 'account', 'asset', name='an_account_is_rolled_up_in_one_row'
        ),
    )
    op.create_guard(Guard(table='rollup', name='rollup_is_never_deleted', on='DELETE', says='a roll-up is never deleted', when=None))
    op.create_guard(Guard(table='rollup', name='rollup_never_steps_back', on='UPDATE', says='a roll-up only takes in more transfers', when='NEW.upto < OLD.upto OR NEW.debits < OLD.debits OR NEW.credits < OLD.credits OR NEW.pool <> OLD.pool OR NEW.account <> OLD.account OR NEW.asset <> OLD.asset'))
    op.add_column(
        'fact_head', sa.Column('standing_no', sa.BigInteger(), nullable=False, server_default='0')
    )
    op.execute('UPDATE fact_head SET standing_no = last_fact_no')
    _without_account_guard(
        f'UPDATE account SET hot = TRUE, debits = 0, credits = 0 WHERE {EVERY_SALE_TOUCHES}'
    )


def downgrade() -> None:
    def side(column: str) -> str:
        return (
            f'(SELECT COALESCE(SUM(amount), 0) FROM transfer WHERE transfer.pool = account.pool'
            f' AND transfer.{column}_account = account.account AND transfer.asset = account.asset)'
        )

    _without_account_guard(
        f"UPDATE account SET hot = FALSE, debits = {side('debit')}, credits = {side('credit')}"
        f' WHERE {EVERY_SALE_TOUCHES}'
    )
    op.drop_column('fact_head', 'standing_no')
    op.drop_table('rollup')


def _without_account_guard(statement: str) -> None:
    on_account = ' ON account' if op.get_bind().dialect.name == 'postgresql' else ''
    op.execute(f'DROP TRIGGER {ACCOUNT_GUARD.name}{on_account}')
    op.execute(statement)
    op.create_guard(ACCOUNT_GUARD)
