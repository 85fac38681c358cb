"""phones: keys of residents' phones, the codes that let them in, and what they were used for

Nobody had a phone with a key before, so there is nothing to bring over.
"""

import sqlalchemy as sa
from alembic import op

from server.db.dialect import Guard
from server.db.metadata import UtcDateTime

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('phone_invitation',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('account', sa.String(length=16), nullable=False),
    sa.Column('code_name', sa.String(length=8), nullable=False),
    sa.Column('code_hash', sa.String(length=64), nullable=False),
    sa.Column('code_expires_at', UtcDateTime(), nullable=False),
    sa.Column('tries_left', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'account'], ['resident.pool', 'resident.account'], name='an_invitation_is_a_residents'),
    sa.PrimaryKeyConstraint('pool', 'account', name='a_resident_has_one_invitation')
    )
    op.create_index('phone_invitations_by_name', 'phone_invitation', ['pool', 'code_name'], unique=False)
    op.create_table('phone',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('account', sa.String(length=16), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('public_key', sa.String(length=66), nullable=False),
    sa.Column('flags', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(length=16), nullable=False),
    sa.Column('enrolled_at', UtcDateTime(), nullable=False),
    sa.Column('ended_at', UtcDateTime(), nullable=True),
    sa.CheckConstraint("state IN ('live', 'revoked', 'replaced', 'copied')", name=op.f('a_phone_is_in_a_known_state')),
    sa.CheckConstraint("(state = 'live') = (ended_at IS NULL)", name=op.f('a_live_phone_has_not_ended')),
    sa.CheckConstraint('seq BETWEEN 1 AND 65535', name=op.f('a_phones_number_fits_its_certificate')),
    sa.ForeignKeyConstraint(['pool', 'account'], ['resident.pool', 'resident.account'], name='a_phone_is_a_residents'),
    sa.PrimaryKeyConstraint('pool', 'account', 'seq', name='phones_of_a_resident_are_counted')
    )
    op.create_table('phone_use',
    sa.Column('pool', sa.String(length=32), nullable=False),
    sa.Column('sale_id', sa.String(length=36), nullable=False),
    sa.Column('account', sa.String(length=16), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('counter', sa.Integer(), nullable=False),
    sa.Column('content_hash', sa.String(length=64), nullable=False),
    sa.Column('terminal', sa.String(length=32), nullable=False),
    sa.Column('fact_no', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['pool', 'account', 'seq'], ['phone.pool', 'phone.account', 'phone.seq'], name='a_use_is_of_a_known_phone'),
    sa.PrimaryKeyConstraint('pool', 'sale_id', name='a_sale_uses_one_code_of_a_phone')
    )
    op.create_guard(Guard(table='phone_use', name='phone_use_is_never_updated', on='UPDATE', says="what a phone's code was used for stands", when=None))
    op.create_guard(Guard(table='phone_use', name='phone_use_is_never_deleted', on='DELETE', says="what a phone's code was used for stands", when=None))
    op.create_index('phone_uses_by_counter', 'phone_use', ['pool', 'account', 'seq', 'counter'], unique=False)


def downgrade() -> None:
    op.drop_index('phone_uses_by_counter', table_name='phone_use')
    op.drop_table('phone_use')
    op.drop_table('phone')
    op.drop_index('phone_invitations_by_name', table_name='phone_invitation')
    op.drop_table('phone_invitation')
