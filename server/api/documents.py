"""What a terminal that asks for documents is answered."""

from dataclasses import dataclass
from datetime import datetime

from msgspec import UNSET
from sqlalchemy import Connection

from protocol.documents import DocumentKind, SignedDocument
from protocol.issuers import IssuerRole
from protocol.messages import DocumentsAnswer, DocumentsRequest
from server.api.certifying import terminal_certificate
from server.api.services import ApiServices
from server.db import reading
from server.directory import Terminal, shop_of
from server.directory.documents import newer_than, newest_version
from server.directory.issuers import document_signer, issuers_of, key_list, newer_key_list
from server.directory.listing import Held, PageSigner, UnknownListing, page_for


@dataclass(frozen=True, slots=True)
class DocumentsAsked:
    """A request for documents, and what of the directory answers it."""

    message: DocumentsRequest
    page: SignedDocument | UnknownListing | None
    at: datetime


def documents_asked(
    services: ApiServices, message: DocumentsRequest, at: datetime
) -> DocumentsAsked:
    """Read what the terminal needs next of the directory, in a snapshot of its own.

    Raises:
        TryAgain: the database is away or busy.
    """
    held = Held(message.directory, message.directory_digest, message.directory_after)
    with reading(services.engine) as tx:
        signer = document_signer(tx, services.pool, services.keys, at)
        page = page_for(tx, services.pool, held, PageSigner(signer.key, services.keys.tag))
    return DocumentsAsked(message, page, at)


def answer_documents(
    services: ApiServices, tx: Connection, terminal: Terminal, asked: DocumentsAsked
) -> DocumentsAnswer:
    """The published documents that are newer than the terminal's, and its certificate."""
    message, pool = asked.message, services.pool
    has = {DocumentKind.POLICY: message.policy, DocumentKind.CATALOGUE: message.catalogue}
    if message.awards is not UNSET:
        has[DocumentKind.AWARDS] = message.awards
    found = [newer_than(tx, pool, kind, version) for kind, version in has.items()]
    unknown = [kind for kind, version in has.items() if version > newest_version(tx, pool, kind)]
    if message.keys is not UNSET:
        found.insert(0, newer_key_list(tx, pool, message.keys))
        listed = key_list(tx, pool)
        if message.keys > (listed.version if listed is not None else 0):
            unknown.append(DocumentKind.KEYS)
    if isinstance(asked.page, UnknownListing):
        unknown.append(DocumentKind.DIRECTORY)
    else:
        found.append(asked.page)
    shop = shop_of(tx, pool, terminal.shop)
    assert shop is not None
    issuers = issuers_of(tx, pool, services.keys, IssuerRole.PHONE, asked.at)
    certificates = [
        terminal_certificate(each, services.keys.tag, terminal, shop.name, asked.at)
        for each in issuers
    ]
    return DocumentsAnswer(
        documents=tuple(each for each in found if each),
        server_time=asked.at,
        certificate=certificates[0],
        certificates=tuple(each for each in certificates if each is not None),
        unknown=tuple(unknown),
    )
