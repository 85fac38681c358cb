"""One statement in, one sealed file out."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.exports import pdf, xlsx
from server.exports.canonical import payload_of
from server.exports.csv_file import csv_bytes
from server.exports.fonts import HOW_TO_GET_A_FONT, PageFont
from server.exports.json_file import json_bytes
from server.exports.seal import Seal, StatementFormat, close_file, make_seal, sealed_length
from server.exports.tables import tables_of
from server.settlement.document import StatementDocument

MEDIA_TYPES = {
    StatementFormat.PDF: "application/pdf",
    StatementFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    StatementFormat.CSV: "text/csv; charset=utf-8",
    StatementFormat.JSON: "application/json",
}


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished file."""

    name: str
    media_type: str
    content: bytes
    seal: Seal


@dataclass(frozen=True, slots=True)
class ExportRefused:
    """No such file can be made; `says` says what to do, Chinese first."""

    says: str


def export_statement(
    document: StatementDocument,
    kind: StatementFormat,
    root: Ed25519PrivateKey,
    font: PageFont | None,
    voucher: str = "",
) -> Exported | ExportRefused:
    """A statement as a file of this kind, sealed with the pool's root key, or with a key that it
    vouches for by ``voucher``.

    The same statement gives the same bytes, as long as the programs that write PDF and XLSX (and
    the font) are the same; the seal does not depend on that. `font` is needed by the PDF alone.
    """
    if refused := _refused(document, kind, font):
        return refused
    payload = payload_of(document)
    seal = make_seal(root, document.pool, document.statement, payload, voucher)
    content = _content(document, kind, payload, seal, font)
    return Exported(
        name=f"{document.statement}.{kind}",
        media_type=MEDIA_TYPES[kind],
        content=close_file(root, kind, content, seal),
        seal=seal,
    )


def _refused(
    document: StatementDocument, kind: StatementFormat, font: PageFont | None
) -> ExportRefused | None:
    count = len(document.lines)
    if kind is StatementFormat.PDF and font is None:
        return ExportRefused(
            f"没有中文字体，做不出 PDF，请先运行 {HOW_TO_GET_A_FONT}"
            f" / no Chinese font for a PDF, install one: {HOW_TO_GET_A_FONT}"
        )
    if kind is StatementFormat.PDF and count > pdf.MAX_LINES:
        return ExportRefused(
            f"明细有 {count} 笔，PDF 最多 {pdf.MAX_LINES} 笔，请改用 xlsx 或 csv"
            f" / too many lines for a PDF (at most {pdf.MAX_LINES}), take xlsx or csv"
        )
    if kind is StatementFormat.XLSX and count > xlsx.MAX_ROWS:
        return ExportRefused(
            f"明细有 {count} 笔，表格最多 {xlsx.MAX_ROWS} 行，请改用 csv"
            f" / too many lines for a sheet (at most {xlsx.MAX_ROWS}), take csv"
        )
    return None


def _content(
    document: StatementDocument,
    kind: StatementFormat,
    payload: bytes,
    seal: Seal,
    font: PageFont | None,
) -> bytes:
    match kind:
        case StatementFormat.JSON:
            return json_bytes(payload)
        case StatementFormat.CSV:
            return csv_bytes(list(tables_of(document)))
        case StatementFormat.XLSX:
            tables = list(tables_of(document))
            return xlsx.xlsx_bytes(tables, payload, document.issued_at, sealed_length(seal))
        case StatementFormat.PDF:
            assert font is not None, "a PDF without a font is refused before"
            return pdf.pdf_bytes(document, payload, seal, font)
