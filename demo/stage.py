"""One pool server and two shops with terminals, printers and scanners, all of them real links."""

import json
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from demo.cashier import Cashier
from demo.running import Program, Programs, free_port, run_command
from demo.world import Merchant, Resident, World
from drivers.simulated.machine import Paper
from drivers.simulated.printer import SimulatedPrinter
from drivers.simulated.scanner import SimulatedScanner
from protocol.business_day import SHANGHAI

SERVER_PORT = 8800
TERMINAL_PORTS = (8801, 8802)
MORNING_HOUR = 10


@dataclass(frozen=True, slots=True)
class Ports:
    """Where server and terminals listen on 127.0.0.1."""

    server: int
    terminals: tuple[int, int]


def usual_ports() -> Ports:
    return Ports(SERVER_PORT, TERMINAL_PORTS)


def free_ports() -> Ports:
    return Ports(free_port(), (free_port(), free_port()))


class Shop:
    """A shop's counter: terminal, printer and scanner."""

    def __init__(
        self, merchant: Merchant, folder: Path, *, port: int, server_url: str, clock_file: Path
    ) -> None:
        self.merchant = merchant
        self.url = f"http://127.0.0.1:{port}/"
        self.papers: list[Paper] = []
        self.terminal = ""
        folder.mkdir(parents=True)
        self.printer = SimulatedPrinter(folder / "paper", on_paper=self.papers.append)
        self.printer.start()
        self.scanner = SimulatedScanner(folder / "scanner")
        self._config = folder / "terminal.toml"
        self._config.write_text(
            f'data_dir = "data"\nlisten_port = {port}\nserver_url = "{server_url}"\n'
            f'printer = "escpos+tcp://127.0.0.1:{self.printer.port}?status=process_id"\n'
            f'scanner = "scanner+serial://{self.scanner.path}"\n'
            f'clock = "simulated://{clock_file}"\n'
        )
        self.cashier = Cashier(self.url.rstrip("/"))
        self.program = Program(
            f"终端 {merchant.shop_name}",
            ["terminal", "--config", str(self._config), "serve"],
            health_url=self.url + "health",
            log=folder / "terminal.log",
        )

    def enrol(self, code: str) -> None:
        run_command(["terminal", "--config", str(self._config), "enrol", "--code", code])

    def start(self) -> None:
        """Switch the terminal on and wait until it has the pool's catalogue."""
        self.program.start()

    def close(self) -> None:
        self.printer.stop()
        self.scanner.close()


OFFICE = (("jiedao", "operator"), ("caiwu-1", "finance"), ("caiwu-2", "finance"))
"""Who works in the pool's office: a payment takes two of finance."""


class Stage:
    """Everything that runs. Use as a context manager: on leaving, nothing of it is left."""

    def __init__(
        self, world: World, folder: Path, ports: Ports, *, begin_at: datetime | None
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.world = world
        self.folder = folder
        self.server_url = f"http://127.0.0.1:{ports.server}"
        self._clock_file = folder / "clock-offset-s"
        self._begin_at = begin_at
        offset_s = 0.0 if begin_at is None else (begin_at - datetime.now(UTC)).total_seconds()
        self._set_offset(offset_s)
        self._ports = ports
        self._programs = Programs()
        self.server_config = folder / "server.toml"
        self.server_config.write_text(
            f'data_dir = "server"\nlisten_port = {ports.server}\n'
            f'clock = "simulated://{self._clock_file}"\n'
        )
        self.server = self._programs.add(
            Program(
                "积分池服务器",
                ["server", "--config", str(self.server_config), "serve"],
                health_url=f"{self.server_url}/v1/health",
                log=folder / "server.log",
            )
        )
        self.shops: tuple[Shop, ...] = ()
        self.passwords: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._programs.__exit__(kind, error, trace)
        for shop in self.shops:
            shop.close()

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self._clock_file.read_text()))

    def today(self) -> date:
        return self.now().astimezone(SHANGHAI).date()

    def advance_one_day(self) -> None:
        """Let every program of the stage see the same hour of the next day."""
        self._set_offset(float(self._clock_file.read_text()) + 86_400)

    def set_up(self, say: Callable[[str], None]) -> None:
        """Make pool, people and shops, and start everything."""
        say("建立积分池、密钥和数据库 · making pool, keys and database")
        self.run_server("init", "--pool", self.world.pool)
        rows = self.world.commands(self.today())
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        self.run_server("import", "-", standard_input=lines)
        for merchant in self.world.merchants:
            self._let_in(merchant.sign_in, "--merchant", merchant.merchant)
        for user, role in OFFICE:
            self._let_in(user, "--role", role)
        for resident in self.world.residents:
            if resident.card:
                self.code_of(resident)
            if resident.pin:
                self._set_pin(resident)
        say("启动服务器 · starting the server")
        self.server.start()
        for number, merchant in enumerate(self.world.merchants):
            say(f"终端入网 · enrolling the terminal of {merchant.shop_name}")
            shop = Shop(
                merchant,
                self.folder / merchant.shop,
                port=self._ports.terminals[number],
                server_url=self.server_url,
                clock_file=self._clock_file,
            )
            self.shops = (*self.shops, shop)
            self._programs.add(shop.program)
            invited = json.loads(
                self.run_server(
                    "invite-terminal", "--shop", merchant.shop, "--terminal", f"t{number + 1}",
                    "--json",
                )
            )  # fmt: skip
            shop.terminal = invited["terminal"]
            shop.enrol(invited["code"])
            shop.start()
        for shop in self.shops:
            shop.cashier.wait_for("规则、商品和扫码枪 · documents and scanner", self._is_ready)

    def _let_in(self, user: str, *which: str) -> None:
        password = secrets.token_hex(4)
        self.run_server("sign-in", user, *which, "--password-stdin", standard_input=password + "\n")
        self.passwords[user] = password

    def _set_pin(self, resident: Resident) -> None:
        self.run_server(
            "card-pin", "set", "--account", resident.account, "--pin-stdin",
            standard_input=resident.pin + "\n",
        )  # fmt: skip

    def run_server(self, *arguments: str, standard_input: str = "") -> str:
        """Run one of the server's commands on this stage's data."""
        return run_command(
            ["server", "--config", str(self.server_config), *arguments],
            standard_input=standard_input,
        )

    def code_of(self, resident: Resident) -> str:
        """What the resident holds in front of the scanner: a card's digits, or a phone code's."""
        if resident.card:
            return self.run_server("card", "--account", resident.account).strip()
        return self.run_server("code", "--account", resident.account, "--text").strip()

    def statements(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.run_server("statement", "--json"))
        return rows

    @staticmethod
    def _is_ready(screen: dict[str, Any]) -> bool:
        return (
            screen["directory_age_min"] is not None
            and screen["server"] == "online"
            and screen["scanner"] == ""
        )

    def _set_offset(self, offset_s: float) -> None:
        draft = self._clock_file.with_suffix(".part")
        draft.write_text(f"{offset_s:.3f}")
        draft.replace(self._clock_file)


def this_morning() -> datetime:
    """Ten o'clock today in Shanghai: a play that starts then does not run into midnight."""
    now = datetime.now(SHANGHAI)
    return now.replace(hour=MORNING_HOUR, minute=0, second=0, microsecond=0)
