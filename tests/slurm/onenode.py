"""A real Slurm of one node: installed from Debian's packages, started as plain processes that listen on loopback only.

    python -m tests.slurm start [FOLDER]      python -m tests.slurm stop [FOLDER]

No systemd, no control groups, no accounting database: limits of memory and processors are scheduled and not
enforced, and the state of jobs comes from squeue alone. GPUs are plain empty files, so requests for them are scheduled
and nothing more. Everything lies in one folder, its configuration too, and nothing of the machine's own Slurm, if there
is one, is touched: commands in `bin` of that folder talk to this Slurm. `SLURM_CONF` would do, but a job of Snakemake
drops it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import REPOSITORY

PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
# Daemons lie where an ordinary user's PATH does not look.
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
COMMANDS = ("sbatch", "srun", "squeue", "scancel", "scontrol", "sinfo")
DAEMONS = ("munged", "slurmctld", "slurmd")
PATIENCE_SECONDS = 60.0
GPUS = 2
LOWEST_PORT = 21000


class CannotStart(Exception):  # noqa: N818 - a reason to skip, said in a sentence
    """This machine cannot have the one-node Slurm; the message says why."""


@dataclass(frozen=True)
class OneNode:
    """A Slurm of one node in a folder.

    Attributes
    ----------
    folder
        Holds configuration, key, states, logs and the numbers of the processes.
    kill_wait_s
        Seconds between SIGTERM and SIGKILL at a time limit, at scancel and at preemption.
    """

    folder: Path
    kill_wait_s: int = 10

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment in which commands talk to this Slurm, without what an outer Slurm job has set."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        return clean | {"PATH": os.pathsep.join([str(self.folder / "bin"), PATH])}

    def __call__(self, *words: str, check: bool = True) -> str:
        """Run a command of Slurm and return what it printed."""
        program = [str(self.folder / "bin" / words[0]), *words[1:]]
        done = subprocess.run(program, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        if check and done.returncode:
            msg = f"{' '.join(words)}: code {done.returncode}: {done.stdout}{done.stderr}"
            raise RuntimeError(msg)
        return done.stdout

    def start(self) -> None:
        """Install what is missing, start what does not run, and wait until the node is idle.

        Raises
        ------
        CannotStart
            Not root, no such packages, or the node did not come up.
        """
        install()
        self._configure()
        for name in DAEMONS:
            if self._process(name) is None:
                self._launch(name)
        self._await_idle()

    def stop(self) -> None:
        """Cancel all jobs, end the daemons by their numbers, and wait for their end."""
        if self._process("slurmctld") is not None:
            with contextlib.suppress(RuntimeError, OSError, subprocess.TimeoutExpired):
                self("scancel", "--user", "root")
                self._until(lambda: not self.jobs())
        for name in reversed(DAEMONS):
            number = self._process(name)
            if number is None:
                continue
            os.kill(number, signal.SIGTERM)
            if not self._until(lambda name=name: self._process(name) is None, 20):  # type: ignore[misc]
                os.kill(number, signal.SIGKILL)

    def jobs(self, states: str = "pending,running,suspended,completing,configuring") -> dict[str, str]:
        """Return the states of jobs by number, of those that are not over unless `states` says otherwise."""
        listed = self("squeue", "--noheader", "--format", "%i %T", "--states", states)
        return dict(line.split() for line in listed.splitlines())

    def facts(self, job: str) -> dict[str, str]:
        """Return what Slurm knows of a job, as long as it remembers it."""
        words = self("scontrol", "--oneliner", "show", "job", job).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    # ------------------------------------------------------------ how it comes up

    def _configure(self) -> None:
        for name in ("bin", "state", "spool", "log", "run", "munge", "gpus"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        # munged refuses folders that others may write to, and clients must reach its socket.
        (self.folder / "munge").chmod(0o711)
        key = self.folder / "munge" / "key"
        if not key.is_file():
            key.touch(mode=0o600)
            key.write_bytes(os.urandom(512))
        gpus = [self.folder / "gpus" / f"gpu{number}" for number in range(GPUS)]
        for gpu in gpus:
            gpu.touch()
        for command in COMMANDS:
            own = self.folder / "bin" / command
            real = shutil.which(command, path=PATH)
            own.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {real} "$@"\n')
            own.chmod(0o755)
        host = socket.gethostname().split(".")[0]
        lines = [f"NodeName={host} Name=gpu File={gpu}" for gpu in gpus]
        (self.folder / "gres.conf").write_text("\n".join(lines) + "\n")
        configuration = self.folder / "slurm.conf"
        if not configuration.is_file():
            configuration.write_text(self._configuration(host))

    def _configuration(self, host: str) -> str:
        folder, controller = self.folder, _free_port(LOWEST_PORT)
        memory_mib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 9 // 10 // 2**20
        processors = os.cpu_count() or 1
        partition = f"Nodes={host} MaxTime=2-0 DefMemPerCPU=500 State=UP"
        return f"""# Written by tests/slurm/onenode.py.
ClusterName=onenode
SlurmctldHost={host}(127.0.0.1)
# Loopback alone.
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmctldPort={controller}
SlurmdPort={_free_port(controller + 1)}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
# No control groups and no accounting.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=1,sched_interval=4,bf_interval=4
# squeue must remember ended jobs until Snakemake has asked.
MinJobAge=14400
KillWait={self.kill_wait_s}
EnforcePartLimits=ALL
ReturnToService=2
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={processors} RealMemory={memory_mib} Gres=gpu:{GPUS} State=UNKNOWN
PartitionName=cpu {partition} PriorityTier=1 Default=YES
PartitionName=gpu {partition} PriorityTier=1
PartitionName=urgent {partition} PriorityTier=9 PreemptMode=OFF
"""

    def _launch(self, name: str) -> None:
        run, munge = self.folder / "run", self.folder / "munge"
        words = {
            "munged": [
                *(f"--socket={munge}/socket", f"--key-file={munge}/key", f"--seed-file={munge}/seed"),
                *(f"--pid-file={run}/munged.pid", f"--log-file={self.folder}/log/munged.log", "--force"),
            ],
            "slurmctld": ["-f", str(self.folder / "slurm.conf")],
            "slurmd": ["-f", str(self.folder / "slurm.conf")],
        }
        started = subprocess.run(
            [name, *words[name]], env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )
        # Each puts itself into the background once it listens.
        if started.returncode or not self._until(lambda: self._process(name) is not None, 20):
            msg = f"{name} did not start: {started.stdout}{started.stderr}{self._ends_of_logs()}"
            raise CannotStart(msg)

    def _process(self, name: str) -> int | None:
        """Return the number of a daemon of this folder that lives."""
        try:
            number = int((self.folder / "run" / f"{name}.pid").read_text())
            known = Path(f"/proc/{number}/stat").read_text()
        except (OSError, ValueError):
            return None
        # A zombie is no daemon; the number may be another process's by now.
        return number if f"({name})" in known and f"({name}) Z" not in known else None

    def _await_idle(self) -> None:
        host = socket.gethostname().split(".")[0]

        def is_up() -> bool:
            state = self("sinfo", "--noheader", "--partition", "cpu", "--format", "%T", check=False).strip()
            if state.startswith(("down", "drain")):
                self("scontrol", "update", f"NodeName={host}", "State=RESUME", check=False)
            return state in {"idle", "mixed", "allocated"}

        if not self._until(is_up):
            msg = f"the node did not become idle within {PATIENCE_SECONDS:.0f} s:{self._ends_of_logs()}"
            raise CannotStart(msg)

    def _ends_of_logs(self) -> str:
        texts = [f"\n{log.name}: {log.read_text()[-600:]}" for log in sorted((self.folder / "log").glob("*.log"))]
        return "".join(texts)

    @staticmethod
    def _until(condition: object, seconds: float = PATIENCE_SECONDS) -> bool:
        assert callable(condition)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.2)
        return False


def install() -> None:
    """Install the packages that are missing.

    Raises
    ------
    CannotStart
        Not root, or the packages cannot be had.
    """
    if os.geteuid() != 0:
        msg = "the one-node Slurm starts its daemons as root, and this is another user"
        raise CannotStart(msg)
    if not [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]:
        return
    if shutil.which("apt-get") is None:
        msg = "Slurm is not installed, and there is no apt-get to install it with"
        raise CannotStart(msg)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-q"], ["install", "-q", "--yes", "--no-install-recommends", *PACKAGES]):
        try:
            done = subprocess.run(
                ["apt-get", *words], env=environment, capture_output=True, text=True, check=False, timeout=300
            )
        except subprocess.TimeoutExpired:
            msg = f"apt-get {words[0]} took more than 300 s"
            raise CannotStart(msg) from None
        if done.returncode:
            msg = f"apt-get {words[0]} failed with code {done.returncode}: {done.stderr.strip()[-300:]}"
            raise CannotStart(msg)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[OneNode]:
    """Start a Slurm in a folder and stop it at the end."""
    node = OneNode(folder)
    try:
        node.start()
        yield node
    finally:
        node.stop()


def _free_port(lowest: int) -> int:
    for port in range(lowest, lowest + 500):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    msg = f"no free port between {lowest} and {lowest + 500}"
    raise CannotStart(msg)


DEFAULT_FOLDER = REPOSITORY / "work" / "slurm-one-node"
