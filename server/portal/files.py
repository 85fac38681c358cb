"""A statement as a file for downloading, signed on the way out."""

from collections.abc import Iterator

from flask import Response, abort
from flask.typing import ResponseReturnValue

from server.exports.export import ExportRefused, export_statement
from server.exports.seal import StatementFormat
from server.portal.frame import notice
from server.portal.services import PortalServices
from server.portal.wording import gettext, said
from server.settlement.document_values import StatementDocument

_CHUNK_BYTES = 64 * 1024
_PATIENCE_S = 20.0


def kind_of(name: str) -> StatementFormat:
    """The kind of file that an address names; none of ours is a page that does not exist."""
    try:
        return StatementFormat(name)
    except ValueError:
        abort(404)


def download(
    portal: PortalServices, document: StatementDocument, kind: StatementFormat
) -> ResponseReturnValue:
    """The sealed file. The caller has seen to it that the reader may have it, and has let go of
    the database.
    """
    if not portal.exports.acquire(timeout=_PATIENCE_S):
        told = gettext("正在给别人制作文件，请过一分钟再下载。")
        return notice(gettext("现在做不了文件"), told), 503
    try:
        signer = portal.signer()
        made = export_statement(document, kind, signer.key, portal.font, signer.voucher)
    finally:
        portal.exports.release()
    if isinstance(made, ExportRefused):
        return notice(gettext("现在做不了文件"), said(made.says)), 409
    answer = Response(_chunks(made.content), content_type=made.media_type)
    answer.content_length = len(made.content)
    answer.headers.set("Content-Disposition", "attachment", filename=made.name)
    return answer


def _chunks(content: bytes) -> Iterator[bytes]:
    view = memoryview(content)
    for first in range(0, len(view), _CHUNK_BYTES):
        yield bytes(view[first : first + _CHUNK_BYTES])
