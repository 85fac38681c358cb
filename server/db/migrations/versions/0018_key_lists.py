"""key lists: the pool's issuer keys as its root key signed them"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard
from server.db.metadata import UtcDateTime

revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('key_list',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('signature', sa.LargeBinary(), nullable=False),
    sa.Column('taken_at', UtcDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['pool'], ['pool.pool'], name='a_key_list_belongs_to_a_pool'),
    sa.PrimaryKeyConstraint('pool', 'version', name='key_lists_are_numbered')
    )
    op.create_guard(Guard(table='key_list', name='key_list_is_never_updated', on='UPDATE', says='a key list is never changed: sign the next one', when=None))
    op.create_guard(Guard(table='key_list', name='key_list_is_never_deleted', on='DELETE', says='a key list is never changed: sign the next one', when=None))


def downgrade() -> None:
    op.drop_table('key_list')
