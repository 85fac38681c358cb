"""minimums are looked up by contract and month, as shares are"""

from alembic import op

revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index('minimums_by_month', 'statement_minimum', ['pool', 'contract', 'month'], unique=False)


def downgrade() -> None:
    op.drop_index('minimums_by_month', table_name='statement_minimum')
