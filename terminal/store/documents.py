"""The pool's documents on the terminal's disk, as they came: exact bytes and signatures."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert as upsert

from protocol.counter import CounterAwards
from protocol.documents import Catalogue, DirectoryHead, DocumentKind, Policy, SignedDocument
from protocol.issuers import KeyList
from terminal.domain.ports import PoolDocuments
from terminal.store.tables import document


def keep_document(connection: Connection, signed: SignedDocument, version: int) -> None:
    """Keep it in the place of the one of its kind."""
    values = {
        "kind": signed.kind.value,
        "version": version,
        "body": signed.body,
        "signature": signed.signature,
    }
    statement = upsert(document).values(**values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=[document.c.kind], set_=values)
    )


def kept_documents(
    connection: Connection, kinds: Sequence[DocumentKind]
) -> tuple[SignedDocument, ...]:
    """Those that there are of these kinds."""
    wanted = [kind.value for kind in kinds]
    rows = connection.execute(select(document).where(document.c.kind.in_(wanted))).all()
    return tuple(
        SignedDocument(kind=DocumentKind(row.kind), body=row.body, signature=row.signature)
        for row in rows
    )


def read_documents(connection: Connection) -> PoolDocuments:
    """The documents in use, read."""
    bodies = {row.kind: row.body for row in connection.execute(select(document))}
    policy = bodies.get(DocumentKind.POLICY.value)
    catalogue = bodies.get(DocumentKind.CATALOGUE.value)
    directory = bodies.get(DocumentKind.DIRECTORY_HEAD.value)
    awards = bodies.get(DocumentKind.AWARDS.value)
    keys = bodies.get(DocumentKind.KEYS.value)
    return PoolDocuments(
        policy=msgspec.json.decode(policy, type=Policy) if policy else None,
        catalogue=msgspec.json.decode(catalogue, type=Catalogue) if catalogue else None,
        directory=msgspec.json.decode(directory, type=DirectoryHead) if directory else None,
        awards=msgspec.json.decode(awards, type=CounterAwards) if awards else None,
        keys=msgspec.json.decode(keys, type=KeyList) if keys else None,
    )
