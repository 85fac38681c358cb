"""statements stay in the version of the document in which they were issued

Those of runs from before were issued in the first.
"""

import sqlalchemy as sa
from alembic import op

revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('settlement_run', sa.Column('document_version', sa.Integer(), server_default='1', nullable=False))


def downgrade() -> None:
    op.drop_column('settlement_run', 'document_version')
