"""tries to sign in: who guesses passwords, counted by all processes together"""

import sqlalchemy as sa
from alembic import op

from server.db.metadata import UtcDateTime

revision = '0026'
down_revision = '0025'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('sign_in_try',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('name_hash', sa.String(length=64), nullable=False),
    sa.Column('failed', sa.Integer(), nullable=False),
    sa.Column('blocked_until', UtcDateTime(), nullable=True),
    sa.Column('tried_at', UtcDateTime(), nullable=False),
    sa.CheckConstraint('failed >= 0', name='tries_are_counted_from_zero'),
    sa.PrimaryKeyConstraint('pool', 'name_hash', name='a_name_has_one_count_of_tries')
    )
    op.create_index('tries_by_age', 'sign_in_try', ['pool', 'tried_at'], unique=False)


def downgrade() -> None:
    op.drop_index('tries_by_age', table_name='sign_in_try')
    op.drop_table('sign_in_try')
