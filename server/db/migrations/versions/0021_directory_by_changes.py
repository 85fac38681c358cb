"""the directory by what changed: entries with the number that changed them, and those numbers"""

import sqlalchemy as sa
from alembic import op

from server.db.metadata import UtcDateTime

revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('directory_entry',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('account', sa.String(length=16), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=True),
    sa.Column('changed_in', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['pool'], ['pool.pool'], name='an_entry_belongs_to_a_pool'),
    sa.PrimaryKeyConstraint('pool', 'account', name='an_account_has_one_entry')
    )
    op.create_index('entries_by_what_changed_them', 'directory_entry', ['pool', 'changed_in', 'account'], unique=False)
    op.create_table('directory_version',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('version', sa.BigInteger(), nullable=False),
    sa.Column('digest', sa.String(length=64), nullable=False),
    sa.Column('made_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['pool'], ['pool.pool'], name='a_directory_belongs_to_a_pool'),
    sa.PrimaryKeyConstraint('pool', 'version', name='a_directory_has_one_number')
    )


def downgrade() -> None:
    op.drop_table('directory_version')
    op.drop_index('entries_by_what_changed_them', table_name='directory_entry')
    op.drop_table('directory_entry')
