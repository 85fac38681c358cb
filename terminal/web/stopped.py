"""The page of a terminal that must not sell: what is wrong, what to do, nothing else.

It needs neither journal nor documents, which may be what is broken.
"""

from typing import Final

from flask import Flask, Response, render_template

from terminal.domain.stopped import Stop, StopCause
from terminal.web.guard import foreign_host
from terminal.web.language import language_now, later, say, set_up_languages
from terminal.web.streams import Streams

HEADLINE: Final = later("这台终端已停止收款")

CAUSES: Final[dict[StopCause, str]] = {
    StopCause.STORAGE_DAMAGED: later("存储卡坏了，或者读不出来。"),
    StopCause.DISK_FULL: later("存储满了，写不下新的流水。已有的流水没有坏。"),
    StopCause.CHAIN_BROKEN: later("流水缺了一段，或者被改过。"),
    StopCause.FORKED: later("流水和服务器上的不一样：存储卡可能被还原或复制过。"),
    StopCause.COPY_DIFFERS: later("流水和备份U盘上的不一样：存储卡可能被还原过。"),
}

STEPS: Final = (
    later("请不要再用这台终端收款、退货。要卖货，请先用纸笔记账。"),
    later("请不要重装，不要换存储卡，不要拔备份U盘：里面有还没上传的流水。"),
    later("请联系技术员，把下面这行字报给他。"),
)

TECHNICIAN: Final = later("技术员：请在终端上运行 huidian-terminal diagnose。")


def create_stopped_app(stop: Stop, default_language: str) -> Flask:
    """The application of a stopped terminal."""
    app = Flask(__name__, static_folder="static", static_url_path="/static")
    set_up_languages(app, default_language)
    streams = Streams()
    app.extensions["huidian_streams"] = streams

    @app.before_request
    def only_this_machine() -> Response | None:
        if foreign_host():
            return Response("the Host header does not name this machine", 403)
        return None

    @app.get("/health")
    def health() -> Response:
        body = f'{{"healthy":false,"stopped":"{stop.cause.value}"}}'
        return Response(body, 503, content_type="application/json")

    @app.route("/", defaults={"path": ""}, methods=["GET", "POST"])
    @app.route("/<path:path>", methods=["GET", "POST"])
    def page(path: str) -> Response:
        if path.startswith("api/"):
            body = f'{{"problem":"stopped","says":"{say(HEADLINE)}"}}'
            return Response(body, 503, content_type="application/json")
        content = render_template(
            "stopped.html",
            language=language_now(),
            headline=say(HEADLINE),
            cause=say(CAUSES[stop.cause]),
            steps=[say(step) for step in STEPS],
            technician=say(TECHNICIAN),
            detail=f"{stop.cause.value}: {stop.detail}",
        )
        return Response(content, 503, content_type="text/html; charset=utf-8")

    return app
