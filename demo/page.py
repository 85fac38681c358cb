"""The demo page: hold a code in front of a scanner, watch the paper come out."""

import io
import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import zxingcpp
from flask import Flask, Response, abort, jsonify, render_template, request, send_file
from PIL import Image, UnidentifiedImageError
from waitress import create_server

from demo.running import DemoFailedError
from demo.stage import Shop, Stage
from drivers.simulated.scanner import SimulatedScannerError

PAGE_PORT: Final = 8809
MAX_PICTURE_BYTES: Final = 8 * 1024 * 1024
MAX_PICTURE_PIXELS: Final = 40_000_000
MAX_TEXT_CHARS: Final = 4000
SHOWN_PAPERS: Final = 12

WRONG_CODES: Final = {
    "wechat": ("微信付款码（误扫）", "134567890123456789"),
    "alipay": ("支付宝付款码（误扫）", "2812345678901234567"),
    "unionpay": ("云闪付付款码（误扫）", "6212345678901234567"),
    "unknown": ("不是居民码的二维码", "hello neighbour"),
}
"""What a shop's scanner also gets to see."""

FAULTS: Final[dict[str, tuple[str, Callable[[Shop, bool], None]]]] = {
    "paper_out": ("缺纸", lambda shop, on: shop.printer.set_paper_out(out=on)),
    "cover_open": ("开盖", lambda shop, on: shop.printer.set_cover_open(is_open=on)),
    "power_off": ("关机", lambda shop, on: shop.printer.set_power(on=not on)),
    "mute": ("不应答", lambda shop, on: shop.printer.set_mute(mute=on)),
}


def read_code(picture: bytes) -> str | None:
    """The first QR code or barcode in a picture; None where there is none to be read."""
    try:
        with Image.open(io.BytesIO(picture)) as image:
            if image.width * image.height > MAX_PICTURE_PIXELS:
                return None
            found = zxingcpp.read_barcodes(image.convert("L"))
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError):
        return None
    return found[0].text if found else None


class DemoDesk:
    """What the page's addresses do, over one stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._faults: set[tuple[int, str]] = set()

    def index(self) -> str:
        return render_template(
            "demo.html",
            stage=self._stage,
            wrong_codes=WRONG_CODES,
            faults={name: words for name, (words, _) in FAULTS.items()},
        )

    def papers(self) -> Response:
        shops = enumerate(self._stage.shops)
        return jsonify([_papers(number, shop, self._faults) for number, shop in shops])

    def paper(self, shop: int, number: int) -> Response:
        found = [each for each in self._shop(shop).papers if each.number == number]
        if not found:
            abort(404)
        return send_file(found[0].png_path, mimetype="image/png")

    def hold(self, shop: int) -> tuple[Response, int] | Response:
        text = _held_text(self._stage)
        if text is None:
            return jsonify(says="图里没有读到二维码 · no code in the picture"), 422
        try:
            self._shop(shop).scanner.scan(text)
        except SimulatedScannerError as error:
            return jsonify(says=f"扫码枪没有送出 · {error}"), 409
        return jsonify(says="已扫码 · scanned")

    def fault(self, shop: int, name: str) -> Response:
        if name not in FAULTS:
            abort(404)
        on = (shop, name) not in self._faults
        FAULTS[name][1](self._shop(shop), on)
        (self._faults.add if on else self._faults.discard)((shop, name))
        return jsonify(on=on)

    def server(self) -> Response:
        if self._stage.server.runs:
            self._stage.server.stop()
        else:
            self._stage.server.start()
        return jsonify(runs=self._stage.server.runs)

    def _shop(self, number: int) -> Shop:
        if not 0 <= number < len(self._stage.shops):
            abort(404)
        return self._stage.shops[number]


def _refuse_foreign_posts() -> None:
    # A page of somewhere else cannot set this header.
    if request.method == "POST" and request.headers.get("X-Huidian") != "1":
        abort(403)


def create_app(stage: Stage) -> Flask:
    """The page over one stage; for 127.0.0.1 only, like everything of the demonstration."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_PICTURE_BYTES
    app.config["TRUSTED_HOSTS"] = ["127.0.0.1", "localhost"]
    app.before_request(_refuse_foreign_posts)
    desk = DemoDesk(stage)
    app.get("/")(desk.index)
    app.get("/papers")(desk.papers)
    app.get("/paper/<int:shop>/<int:number>.png")(desk.paper)
    app.post("/hold/<int:shop>")(desk.hold)
    app.post("/fault/<int:shop>/<name>")(desk.fault)
    app.post("/server")(desk.server)
    return app


def _held_text(stage: Stage) -> str | None:
    """What the form says to hold up: a resident's code, a wrong one, typed text or a picture."""
    resident = request.form.get("resident")
    if resident:
        if all(each.key != resident for each in stage.world.residents):
            abort(404)
        try:
            return stage.code_of(stage.world.resident(resident))
        except DemoFailedError:
            abort(500)
    wrong = request.form.get("wrong")
    if wrong:
        return WRONG_CODES[wrong][1] if wrong in WRONG_CODES else abort(404)
    picture = request.files.get("picture")
    if picture is not None:
        return read_code(picture.read())
    text = request.form.get("text", "").strip()[:MAX_TEXT_CHARS]
    return text or None


def _papers(number: int, shop: Shop, faults: set[tuple[int, str]]) -> dict[str, Any]:
    newest = shop.papers[-SHOWN_PAPERS:][::-1]
    return {
        "papers": [{"number": each.number, "text": each.text} for each in newest],
        "faults": sorted(name for shop_number, name in faults if shop_number == number),
    }


class DemoPage:
    """Serves the page while the stage is up."""

    def __init__(self, stage: Stage, port: int) -> None:
        logging.getLogger("waitress").setLevel(logging.ERROR)
        try:
            self._server = create_server(
                create_app(stage), host="127.0.0.1", port=port, threads=6, ident=None
            )
        except OSError as error:
            raise DemoFailedError(f"端口 {port} 已被占用 · the port is in use: {error}") from error
        self._thread = threading.Thread(target=self._server.run, name="demo-page", daemon=True)

    def ready(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
