"""stand-in limits by kind of code and by number of sales

A pool from before has none of them, and NULL says so.
"""

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('pool', sa.Column('stand_in_more', sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column('pool', 'stand_in_more')
