"""Puts a terminal together: the one place that chooses drivers, store, clocks and keys."""

import logging
import os
import secrets
import sys
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from config.load import ConfigError, load
from config.terminal import TerminalSettings
from drivers.registry import DeviceUrlError, open_display, open_printer, open_scanner
from protocol.keys import pool_tag, read_public_key
from terminal.app import PortInUseError, WebServer, bind, create_app
from terminal.checkout.drawer import CashDrawer
from terminal.checkout.last_run import LastRunDesk
from terminal.diagnostics.desk import PrinterDesk
from terminal.diagnostics.late_commands import CLOCK_OF, LateCommands
from terminal.domain.changes import Changes, Surroundings
from terminal.domain.ports import StoreFaultError, TerminalIdentity
from terminal.domain.stand_in import ImageTrust
from terminal.domain.stopped import FOUND_ANEW, Stop, StopCause
from terminal.fitting import Parts, fit_out
from terminal.makers import choose_wall, make_clock, make_papers, system_wall
from terminal.pool.breaker import Breaker
from terminal.pool.link import EnrolmentError, HttpLink, PoolLink, enrol
from terminal.practising.switch import PracticeSwitch
from terminal.practising.world import FromShop
from terminal.receipts.coded import CodedReceipts, page_of
from terminal.store.chain_check import ChainCheck
from terminal.store.challenges import KeptCertificates
from terminal.store.draft import DraftFile
from terminal.store.identity import load_identity, save_identity, save_key
from terminal.store.lock import DataInUseError, DataLock
from terminal.store.outbox import Outbox
from terminal.store.quarantine import Quarantine, stop_of
from terminal.store.sealer import Sealer
from terminal.store.second_medium import SecondMedium
from terminal.store.spool import Spool
from terminal.store.sqlite import DATABASE_FILE, SqliteStore
from terminal.store.stick import Stick
from terminal.web.routes import WebDesk
from terminal.web.stopped import create_stopped_app
from terminal.web.streams import Streams
from terminal.workers.chain import ChainRound
from terminal.workers.displaying import DisplayRound
from terminal.workers.drafting import DraftRound
from terminal.workers.keeping import KeepingRound
from terminal.workers.loop import Worker
from terminal.workers.printing import PrintRound
from terminal.workers.scanning import ScanRound
from terminal.workers.sync import SyncRound

LOG = logging.getLogger(__name__)

STICK_PATIENCE_S = 15.0
"""A start waits so much longer for a stick that hangs than a customer does."""
BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
NO_DEVICE = "none"


class StoppedError(Exception):
    """This terminal must not sell until somebody has looked."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop.detail)
        self.stop = stop


def sound_store(path: Path, sealer: Sealer, quarantine: Quarantine) -> SqliteStore:
    """The journal, opened and found in order.

    Raises:
        StoppedError: it was stopped before, does not open, or is not what was written.
    """
    stop = quarantine.read()
    if stop is not None:
        raise StoppedError(stop)
    try:
        store = SqliteStore(path, sealer)
    except StoreFaultError as fault:
        raise StoppedError(stop_of(str(fault), path.parent)) from fault
    check = ChainCheck(store, sealer.key.public_key(), sealer.identity.terminal)
    stop = check.at_boot()
    if stop is not None:
        store.close()
        if stop.cause is StopCause.STORAGE_DAMAGED:
            stop = stop_of(stop.detail, path.parent)
        if stop.cause not in FOUND_ANEW:
            quarantine.enter(stop)
        raise StoppedError(stop)
    return store


class Terminal:
    """One running terminal. :meth:`run` serves until a signal stops it."""

    def __init__(
        self,
        settings: TerminalSettings,
        identity: TerminalIdentity,
        key: Ed25519PrivateKey,
        settings_file: Path,
    ) -> None:
        listener = bind(settings.listen_host, settings.listen_port)
        self._lock = DataLock(settings.data_dir)
        self._quarantine = Quarantine(settings.data_dir)
        self._key = key.public_key()
        self.changes = Changes()
        self.surroundings = Surroundings(self.changes)
        self.clock = make_clock(settings)
        self.trust = ImageTrust()
        boot_id = BOOT_ID_FILE.read_text().strip() if BOOT_ID_FILE.exists() else "unknown"
        sealer = Sealer(identity=identity, key=key, boot_id=boot_id)
        try:
            self.store = sound_store(settings.data_dir / DATABASE_FILE, sealer, self._quarantine)
        except StoppedError:
            listener.close()
            raise
        self._workers: list[Worker] = []
        self._second: SecondMedium | None = None
        self.link = self._make_link(settings, identity, key)
        keeper = DraftFile(settings.data_dir)
        self._last_run = LastRunDesk(self.store, self.clock, keeper)
        desk = self._fit_out(settings, identity, key)
        self.till = desk.till
        self._add_second_medium(settings, identity)
        if (stop := self._quarantine.read()) is not None:  # the second medium knows better
            listener.close()
            raise StoppedError(stop)
        # Before the workers: the scanner's shows on its page what comes in.
        self._devices = PrinterDesk(settings.printer, settings.scanner, settings_file, system_wall)
        self._add_workers(settings, identity)
        self._display = open_display(settings.display)
        if self._display is not None:
            showing = DisplayRound(display=self._display, view=desk.page.view, changes=self.changes)
            self._workers.append(Worker("display", showing))
        self._drafting = DraftRound(keeper, self.till.snapshot, self.changes)
        app = create_app(desk, self._devices)
        self._practice.connect(desk, app)
        self.web = WebServer(app, listener, front=self._practice)

    def run(self) -> None:
        """Recover what a stop left open, start the workers, serve, and stop in good order."""
        last_time = self.store.last_time()
        if last_time is not None:
            self.clock.not_before(last_time)
        for document in (self.store.documents().policy, self.store.documents().directory):
            if document is not None:
                self.clock.not_before(document.made_at)
        Spool(self.store).lose_interrupted()
        self._last_run.look()
        self.till.start(version("huidian"))
        self._workers.append(Worker("draft", self._drafting))
        self._workers.append(Worker("practice", self._practice.end_if_forgotten))
        for worker in (*self._workers, self._chain, self._keeping):
            worker.start()
        self.web.stop_on_signals()
        self.web.run()
        self.link.close()  # a worker that waits for the server need not wait longer
        for worker in (*self._workers, self._chain, self._keeping):
            worker.stop()
        self._drafting.close()
        if self._second is not None:
            self._second.close()
        if self._display is not None:
            self._display.close()
        self._practice.close()
        self.store.close()
        self._lock.close()

    def _stop(self, stop: Stop) -> None:
        """Sell nothing from now on, and not after the next start either."""
        self._quarantine.enter(stop)
        self.till.stop_selling()

    def _wake(self) -> None:
        for worker in self._workers:
            worker.wake()

    def _make_link(
        self, settings: TerminalSettings, identity: TerminalIdentity, key: Ed25519PrivateKey
    ) -> PoolLink:
        def note_server(answered: bool) -> None:
            self.surroundings.note(server="online" if answered else "offline")

        return PoolLink(
            HttpLink(settings.server_url, key, identity.terminal, self.clock),
            terminal=identity.terminal,
            ask_timeout_s=settings.ask_timeout_s,
            breaker=Breaker(settings.breaker_open_s, time.monotonic),
            note_server=note_server,
        )

    def _fit_out(
        self, settings: TerminalSettings, identity: TerminalIdentity, key: Ed25519PrivateKey
    ) -> WebDesk:
        """The shop's till, and the switch to the one for practice."""
        tag = pool_tag(read_public_key(identity.root_key))
        self._certificates = KeptCertificates(settings.data_dir, key, tag)
        page_address = page_of(settings.server_url, settings.receipt_page)
        papers = make_papers(settings)
        streams = Streams()
        self._practice = PracticeSwitch(
            FromShop(
                settings=settings,
                identity=identity,
                store=self.store,
                clock=self.clock,
                streams=streams,
            )
        )
        return fit_out(
            Parts(
                settings=settings,
                identity=identity,
                store=self.store,
                pool=self.link,
                receipts=CodedReceipts(papers, key, tag, page_address),
                papers=papers,
                clock=self.clock,
                changes=self.changes,
                surroundings=self.surroundings,
                trust=self.trust,
                wake_workers=self._wake,
                challenger=self._certificates,
                drawer=CashDrawer(fitted=settings.drawer),
                last_run=self._last_run,
                streams=streams,
                practising=self._practice,
            )
        )

    def _add_second_medium(self, settings: TerminalSettings, identity: TerminalIdentity) -> None:
        if settings.second_medium is None:
            return
        stick = Stick(
            settings.second_medium, terminal=identity.terminal, own_storage=settings.data_dir
        )
        self._second = SecondMedium(
            stick,
            self.store,
            limit_s=settings.second_medium_limit_s,
            note=lambda _state: self.changes.note(),
            confirmed=self.trust.confirm,
            differing=lambda says: self._stop(Stop(StopCause.COPY_DIFFERS, says)),
        )
        self._second.begin(STICK_PATIENCE_S)
        self.store.use_second_copy(self._second)

    def _add_workers(self, settings: TerminalSettings, identity: TerminalIdentity) -> None:
        root_key = read_public_key(identity.root_key)
        sync = SyncRound(
            store=self.store,
            outbox=Outbox(self.store),
            link=self.link,
            clock=self.clock,
            changes=self.changes,
            root_key=root_key,
            tag=pool_tag(root_key),
            trust=self.trust,
            boot_id=self.store.sealer.boot_id,
            stop_selling=lambda says: self._stop(Stop(StopCause.FORKED, says)),
            pool=identity.pool,
            keep_certificates=self._certificates.keep,
        )
        self._workers.append(Worker("sync", sync))
        chain = ChainCheck(self.store, self._key, identity.terminal)
        self._chain = Worker("chain", ChainRound(chain, self._stop))
        keeping = KeepingRound(self.store, settings.data_dir, self.clock, self.surroundings)
        self._keeping = Worker("keeping", keeping)
        # A late answer to an earlier run's job must not be taken for this run's.
        printer = open_printer(settings.printer, first_mark=secrets.randbelow(9000) + 1)
        if printer is None:
            self.surroundings.note(printer=NO_DEVICE)
        else:
            printing = PrintRound(
                spool=Spool(self.store),
                printer=printer,
                changes=self.changes,
                surroundings=self.surroundings,
            )
            self._workers.append(Worker("printer", printing))
        scanner = open_scanner(settings.scanner, utc_now=system_wall)
        if scanner is None:
            self.surroundings.note(scanner=NO_DEVICE)
        else:
            scanning = ScanRound(scanner, self._practice, self.surroundings, self._devices.echo())
            self._workers.append(Worker("scanner", scanning))


def _settings(config: Path) -> TerminalSettings:
    try:
        return load(config, TerminalSettings)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


@click.group(cls=LateCommands, help="惠点终端 · the Huidian terminal")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("/etc/huidian/terminal.toml"),
    show_default=True,
    help="设置文件 · settings file",
)
@click.pass_context
def cli(context: click.Context, config: Path) -> None:
    logging.basicConfig(
        level=os.environ.get("HUIDIAN_LOG", "INFO"),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    context.obj = _settings(config)
    context.meta[CLOCK_OF] = choose_wall


@cli.command("serve", help="启动收银终端 · run the till")
@click.pass_obj
def serve_command(settings: TerminalSettings) -> None:
    try:
        loaded = load_identity(settings.data_dir)
        if loaded is None:
            raise click.ClickException(
                f"{settings.data_dir} 里没有终端身份：先用 huidian-terminal enrol --code 入网 · "
                "not enrolled yet: run huidian-terminal enrol --code first"
            )
        settings_file = click.get_current_context().find_root().params["config"]
        terminal = Terminal(settings, *loaded, settings_file)
        click.echo(f"收银页面 · the till: http://{terminal.web.host}:{terminal.web.port}/")
        terminal.run()
    except StoppedError as stopped:
        _serve_stopped(settings, stopped.stop)
    except DataInUseError as error:
        raise click.ClickException(str(error)) from error
    except StoreFaultError as error:
        if stop_of(str(error), settings.data_dir).cause is StopCause.DISK_FULL:
            raise click.ClickException(
                f"{settings.data_dir} 存储满了，终端不能收款，请技术员腾出空间（不要删数据目录里的文件） · "
                f"the storage is full; make room, delete nothing in this folder: {error}"
            ) from error
        raise click.ClickException(
            f"{settings.data_dir} 存储出错，终端不能收款，请联系技术员 · "
            f"the storage failed, the till cannot be sold with: {error}"
        ) from error
    except DeviceUrlError as error:
        raise click.ClickException(
            f"设置里打印机或扫码枪的地址不对，请改正 · correct the settings: {error}"
        ) from error
    except (PortInUseError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _serve_stopped(settings: TerminalSettings, stop: Stop) -> None:
    """Show why there is no till, until a signal ends it."""
    listener = bind(settings.listen_host, settings.listen_port)
    web = WebServer(create_stopped_app(stop, settings.language), listener)
    click.echo(
        f"终端已停止收款 · stopped: {stop.cause.value}: {stop.detail} http://{web.host}:{web.port}/"
    )
    web.stop_on_signals()
    web.run()


@cli.command("enrol", help="用一次性入网码登记本终端 · introduce this terminal with its code")
@click.option("--code", required=True, help="入网码 XXXX-XXXX · one-time code")
@click.pass_obj
def enrol_command(settings: TerminalSettings, code: str) -> None:
    try:
        identity = _enrol(settings, code)
    except (EnrolmentError, DataInUseError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(
            f"{settings.data_dir} 写不进去，请联系技术员 · cannot be written: {error}"
        ) from error
    click.echo(f"已入网 · enrolled: {identity.terminal} {identity.shop_name}")


def _enrol(settings: TerminalSettings, code: str) -> TerminalIdentity:
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with closing(DataLock(settings.data_dir)):
        if load_identity(settings.data_dir) is not None:
            raise EnrolmentError(
                f"{settings.data_dir} 已有终端身份，不能再次入网 · this terminal is enrolled already"
            )
        key = Ed25519PrivateKey.generate()
        # Before the code is used up: a disk that takes no key takes no identity either.
        save_key(settings.data_dir, key)
        answer = enrol(settings.server_url, code, key, make_clock(settings))
        identity = TerminalIdentity(
            terminal=answer.terminal,
            epoch=answer.epoch,
            pool=answer.pool,
            root_key=answer.root_key,
            shop=answer.shop,
            shop_name=answer.shop_name,
            merchant_name=answer.merchant_name,
        )
        save_identity(settings.data_dir, identity)
        return identity


def main() -> None:
    """Entry point of ``huidian-terminal``."""
    sys.exit(cli())
