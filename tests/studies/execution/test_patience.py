"""Outages are waited for, told once, and leave nothing done twice; what is no outage is not waited for."""

import errno
import inspect
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pytest
from optuna.exceptions import DuplicatedStudyError, StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from studies.errors import InputError
from studies.execution import patience
from studies.execution.patience import Patience, PatientStorage, StorageLost, is_outage, reason_of
from studies.execution.storage import open_storage
from tests.studies.servers import Server, free_port, grpc_proxy, postgresql_server

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext  # Windows has none

METHODS = [name for name, _ in inspect.getmembers(BaseStorage, inspect.isfunction) if not name.startswith("_")]
MINIMIZE = [StudyDirection.MINIMIZE]
AWAY_SECONDS = 4.0
CELLS, WORKERS = 20, {"direct": 2, "proxied": 1}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.01)


class Fails:
    """Raises so often, then returns how often it was called."""

    def __init__(self, times: int, error: Exception | None = None) -> None:
        self.times, self.calls, self.error = times, 0, error or ConnectionRefusedError("nobody there")

    def __call__(self, *args: object, **kwargs: object) -> int:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return self.calls


class LosesAnswers(InMemoryStorage):
    """Does everything, and the first answer is lost."""

    lost: int = 0

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in METHODS or self.lost == 0:
            return found

        def answer(*args: Any, **kwargs: Any) -> Any:
            losing, self.lost = self.lost > 0, 0
            found(*args, **kwargs)
            if losing:
                raise ConnectionResetError("gone")

        return answer


def patient(inner: BaseStorage | Any, seconds: float = 5.0, **more: Any) -> Any:
    kind: Callable[..., Any] = PatientStorage
    return kind(inner, Patience("the storage", seconds, **more))


@pytest.mark.parametrize("name", METHODS)
def test_every_call_of_a_storage_is_repeated(name: str, quick: None) -> None:
    inner = type("Inner", (), {name: Fails(2)})()
    filled = {} if name != "set_trial_state_values" else {"trial_id": 0, "state": TrialState.FAIL}
    assert getattr(patient(inner), name)(**filled) == 3


def test_each_outage_is_told_once_and_its_end_once(quick: None) -> None:
    told: list[str] = []
    calls = [Fails(4), Fails(0), Fails(3), Fails(0)]
    waiting = Patience("the storage", 5.0, told.append)
    for call in calls:
        waiting.until_done(call)
    assert len(told) == 4
    assert told[0] == "the storage is out of reach (nobody there): waiting for it up to 5 s."
    assert told[1].startswith("the storage answers again after ")
    assert all(sentence.endswith(".") for sentence in told)


def test_threads_that_wait_for_the_same_tell_it_once(quick: None) -> None:
    told: list[str] = []
    waiting = Patience("the storage", 5.0, told.append)
    away = threading.Event()

    def call() -> None:
        if not away.is_set():
            raise TimeoutError

    threads = [threading.Thread(target=waiting.until_done, args=(call,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    away.set()
    for thread in threads:
        thread.join(5)
    assert len(told) == 2


def test_patience_ends(quick: None) -> None:
    call, begin = Fails(10**9), time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        Patience("the storage", 0.5).until_done(call)
    assert 0.5 <= time.monotonic() - begin < 2
    assert call.calls > 3


def test_without_patience_nothing_is_repeated() -> None:
    call = Fails(1)
    with pytest.raises(ConnectionRefusedError):
        Patience("the storage").until_done(call)
    assert call.calls == 1


def test_who_is_told_to_stop_waits_no_longer() -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    begin = time.monotonic()
    with pytest.raises(ConnectionRefusedError):
        Patience("the storage", 60.0, stop=stop).until_done(Fails(10**9))
    assert time.monotonic() - begin < 5


def sql_error(kind: str, state: str | None, text: str = "connection failed") -> Exception:
    exc = pytest.importorskip("sqlalchemy").exc
    original = Exception(text)
    original.sqlstate = state  # type: ignore[attr-defined]
    error: Exception = getattr(exc, kind)("SELECT 1", {}, original)
    return error


def internal(error: Exception) -> StorageInternalError:
    outer = StorageInternalError("An exception is raised during the commit.")
    outer.__cause__ = error
    return outer


def rpc_error(code: str, details: str = "") -> Exception:
    grpc = pytest.importorskip("grpc")

    class Told(grpc.RpcError):  # type: ignore[misc, name-defined]
        def code(self) -> Any:
            return grpc.StatusCode[code]

        def details(self) -> str:
            return details

    return Told()


OUTAGES: dict[str, Callable[[], Exception]] = {
    "refused": lambda: ConnectionRefusedError(),
    "reset": lambda: ConnectionResetError(),
    "pipe": lambda: BrokenPipeError(),
    "timeout": lambda: TimeoutError(),
    "no name": lambda: socket.gaierror(-2, "Name or service not known"),
    "no route": lambda: OSError(errno.EHOSTUNREACH, "No route to host"),
    "no connection": lambda: sql_error("OperationalError", None),
    "closed": lambda: sql_error("InterfaceError", None, "the connection is closed"),
    "within": lambda: internal(sql_error("OperationalError", None)),
    "shutdown": lambda: internal(sql_error("OperationalError", "57P01")),
    "starting": lambda: sql_error("OperationalError", None, "FATAL: the database system is starting up"),
    "full": lambda: sql_error("OperationalError", "53100"),
    "deadlock": lambda: sql_error("OperationalError", "40P01"),
    "too many": lambda: sql_error("OperationalError", "53300"),
    "read-only": lambda: sql_error("InternalError", "25006"),
    "unavailable": lambda: rpc_error("UNAVAILABLE"),
    "the proxy's database": lambda: rpc_error("UNKNOWN", "Exception calling application: raised during the commit."),
}
MISTAKES: dict[str, Callable[[], Exception]] = {
    "disk": lambda: OSError(errno.ENOSPC, "No space left on device"),
    "file": lambda: FileNotFoundError(),
    "key": lambda: KeyError(),
    "finished": lambda: UpdateFinishedTrialError(),
    "double": lambda: DuplicatedStudyError(),
    "damage": lambda: StorageLost("The journal is damaged"),
    "password": lambda: sql_error("OperationalError", None, "FATAL: password authentication failed for user"),
    "database": lambda: sql_error("OperationalError", None, 'FATAL: database "x" does not exist'),
    "port": lambda: sql_error("OperationalError", None, 'invalid port number: "99999"'),
    "value": lambda: internal(sql_error("DataError", "22001")),
    "syntax": lambda: sql_error("ProgrammingError", "42601"),
    "unique": lambda: sql_error("IntegrityError", "23505"),
    "too large": lambda: rpc_error("RESOURCE_EXHAUSTED", "Received message larger than max (5 vs. 4)"),
    "no proxy": lambda: rpc_error("UNIMPLEMENTED"),
    "a fault of the proxy": lambda: rpc_error("UNKNOWN", "Exception calling application: 'x'"),
}


@pytest.mark.parametrize("error", OUTAGES.values(), ids=OUTAGES.keys())
def test_an_outage_is_waited_for(error: Callable[[], Exception], quick: None) -> None:
    assert is_outage(error())
    assert Patience("the storage", 5.0).until_done(Fails(1, error())) == 2


@pytest.mark.parametrize("error", MISTAKES.values(), ids=MISTAKES.keys())
def test_what_waiting_does_not_heal_is_raised_at_once(error: Callable[[], Exception], quick: None) -> None:
    raised = error()
    assert not is_outage(raised)
    call = Fails(1, raised)
    with pytest.raises(type(raised)):
        Patience("the storage", 5.0).until_done(call)
    assert call.calls == 1


def test_the_reason_is_one_line_without_sql() -> None:
    assert reason_of(internal(sql_error("OperationalError", None, "it is away\nIs it running?"))).endswith("it is away")
    assert reason_of(rpc_error("UNAVAILABLE", "failed to connect.\nmore")) == "failed to connect"
    assert reason_of(KeyError()) == "KeyError"


@pytest.fixture
def losing(quick: None) -> tuple[LosesAnswers, Any, int]:
    inner = LosesAnswers()
    storage = patient(inner)
    return inner, storage, storage.create_new_study(MINIMIZE, "s")


def test_a_told_value_whose_answer_was_lost_is_told(losing: tuple[LosesAnswers, Any, int]) -> None:
    inner, storage, study = losing
    for state, values in ((TrialState.COMPLETE, [0.5]), (TrialState.COMPLETE, [float("inf")]), (TrialState.FAIL, None)):
        trial = storage.create_new_trial(study)
        inner.lost = 1
        assert storage.set_trial_state_values(trial, state, values) is True
        assert inner.lost == 0
        assert inner.get_trial(trial).state == state
        with pytest.raises(UpdateFinishedTrialError):  # not a repetition
            storage.set_trial_state_values(trial, state, values)


def test_what_somebody_else_told_meanwhile_stands(losing: tuple[LosesAnswers, Any, int]) -> None:
    inner, storage, study = losing
    trial = storage.create_new_trial(study)
    InMemoryStorage.set_trial_state_values(inner, trial, TrialState.FAIL)
    calls = []

    def away_once(*args: Any) -> bool:
        calls.append(args)
        if len(calls) == 1:
            raise ConnectionResetError
        return InMemoryStorage.set_trial_state_values(inner, *args)

    inner.set_trial_state_values = away_once  # type: ignore[method-assign]
    with pytest.raises(UpdateFinishedTrialError):
        storage.set_trial_state_values(trial, TrialState.COMPLETE, [1.0])
    assert len(calls) == 2


def test_a_claim_whose_answer_was_lost_is_nobody_s(losing: tuple[LosesAnswers, Any, int]) -> None:
    inner, storage, study = losing
    trial = storage.create_new_trial(study, create_trial(state=TrialState.WAITING))
    inner.lost = 1
    assert storage.set_trial_state_values(trial, TrialState.RUNNING) is False
    assert inner.get_trial(trial).state == TrialState.RUNNING


def test_what_is_made_and_whose_answer_was_lost(losing: tuple[LosesAnswers, Any, int]) -> None:
    inner, storage, study = losing
    inner.lost = 1
    with pytest.raises(DuplicatedStudyError):
        storage.create_new_study(MINIMIZE, "another")
    inner.lost = 1
    storage.create_new_trial(study, create_trial(state=TrialState.WAITING, user_attrs={"cell": "a"}))
    assert [trial.user_attrs for trial in inner.get_all_trials(study)] == [{"cell": "a"}] * 2
    inner.lost = 1
    storage.set_trial_user_attr(0, "worker", "w")
    assert inner.get_trial(0).user_attrs["worker"] == "w"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql_server() as running:
        yield running


@pytest.fixture(scope="module")
def proxied(server: Server) -> Iterator[str]:
    with grpc_proxy(server.url, "--patience", "60") as url:
        yield url


def _work(url: str, name: str, told_in: Path) -> None:
    """Do the trials that wait, and write each sentence and each told number on a line."""

    def tell(sentence: object) -> None:
        with told_in.open("a") as file:
            file.write(f"{sentence}\n")

    patience.LONGEST_PAUSE = 1.0
    storage = open_storage(url, 60.0, tell)
    study = optuna.load_study(study_name=name, storage=storage, sampler=optuna.samplers.RandomSampler())
    while study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        trial = study.ask()
        if "cell" not in trial.user_attrs:
            study.tell(trial, state=TrialState.FAIL)
            break
        trial.set_user_attr("worker", told_in.name)
        time.sleep(0.05)
        study.tell(trial, float(trial.number))
        tell(trial.number)


def test_a_study_survives_an_outage(server: Server, proxied: str, forks: "ForkServerContext", tmp_path: Path) -> None:
    urls = {"direct": server.url, "proxied": proxied}
    studies = {}
    for name, url in urls.items():
        studies[name] = optuna.create_study(study_name=name, storage=open_storage(url, 60.0))
        for number in range(CELLS):
            studies[name].enqueue_trial({}, user_attrs={"cell": str(number)})
    paths = [tmp_path / f"{name} {number}" for name in urls for number in range(WORKERS[name])]
    workers = [
        forks.Process(target=_work, args=(urls[path.name.split()[0]], path.name.split()[0], path)) for path in paths
    ]
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + 60
    while not all(path.exists() for path in paths):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with server.frozen():
        time.sleep(1.0)
    server.stop()
    time.sleep(AWAY_SECONDS)
    server.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    for name, study in studies.items():
        told = [path.read_text().splitlines() for path in paths if path.name.startswith(name)]
        numbers = Counter(line for lines in told for line in lines if line.isdigit())
        assert set(numbers.values()) == {1}
        trials = study.get_trials()
        complete = {str(trial.number) for trial in trials if trial.state == TrialState.COMPLETE}
        assert complete == set(numbers)
        assert all(trial.values == [trial.number] for trial in trials if trial.state == TrialState.COMPLETE)
        # A claim whose answer was lost: released by the store.
        unsigned = [trial for trial in trials if trial.state == TrialState.RUNNING and "worker" not in trial.user_attrs]
        cells = {trial.user_attrs["cell"] for trial in trials if str(trial.number) in complete}
        assert len(cells) == len(complete) == CELLS - len(unsigned)
        assert len(unsigned) <= WORKERS[name]
    for path in paths[: WORKERS["direct"]]:
        sentences = [line for line in path.read_text().splitlines() if not line.isdigit()]
        assert ["out of reach" in line for line in sentences] == [True, False]


def test_a_server_that_is_not_up_yet_is_waited_for(server: Server) -> None:
    server.stop()
    told: list[str] = []
    timer = threading.Timer(2.0, server.start)
    timer.start()
    try:
        assert open_storage(server.url, 30.0, told.append).get_all_studies() is not None
    finally:
        timer.join()
    assert len(told) == 2


@pytest.mark.parametrize("url", ["postgresql://anna:secret@127.0.0.1:{}/x", "grpc://127.0.0.1:{}"])
def test_a_server_that_never_comes_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    pytest.importorskip("grpc")
    monkeypatch.setattr("studies.execution.storage.CONNECT_SECONDS", 0.5)
    told: list[str] = []
    with pytest.raises(InputError) as refusal:
        open_storage(url.format(free_port()), 1.5, told.append)
    assert len(told) == 1
    assert "secret" not in told[0] + str(refusal.value)


def test_a_wrong_name_is_not_waited_for(server: Server) -> None:
    begin = time.monotonic()
    with pytest.raises(InputError, match="does not exist"):
        open_storage(server.url.replace("/postgres", "/absent"), 60.0)
    assert time.monotonic() - begin < 20
