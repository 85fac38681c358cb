"""manual redemption: how much a resident who shows nothing may take a day; 0 for all so far"""

import sqlalchemy as sa
from alembic import op

revision = '0029'
down_revision = '0028'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        'redemption_terms',
        sa.Column('manual_day_points', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    )


def downgrade() -> None:
    op.drop_column('redemption_terms', 'manual_day_points')
