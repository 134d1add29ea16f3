"""Which hosts train together, as TF_CONFIG or SLURM says."""

import os
from typing import Literal, NamedTuple, TypedDict

from spl_tf.errors import UserError
from spl_tf.stored import Count, decode

# Of TensorFlow's roles those that train; the first of them is the first host.
_TRAINING = ("chief", "worker")
_FORM = '{"cluster": {"worker": ["a:2222", "b:2222"]}, "task": {"type": "worker", "index": 0}}'
_LOWEST_PORT, _PORTS = 12000, 20000  # Below those that Linux gives to outgoing connections.


class Cluster(NamedTuple):
    """The hosts of a training, and which of them this process is.

    Attributes:
      addresses: "name:port" of each, the first host first.
      number: of this host, from 0.
      source: where this is said, for messages.
    """

    addresses: tuple[str, ...]
    number: int
    source: str

    def name(self, number: int) -> str:
        """A host as messages call it."""
        return f"host {number} ({self.addresses[number]})"

    def endpoint(self, number: int) -> tuple[str, int]:
        """Name and port of a host."""
        name, _, port = self.addresses[number].rpartition(":")
        return name.strip("[]"), int(port)


class _Task(TypedDict):
    type: Literal["chief", "worker", "ps", "evaluator", "master"]
    index: Count


class _TfConfig(TypedDict, total=False):
    cluster: dict[str, list[str]]
    task: _Task


def cluster_of_process() -> Cluster | None:
    """The hosts that the environment names; None where there is one alone.

    Raises:
      UserError: it names them in a way that can't be meant.
    """
    if os.environ.get("TF_CONFIG"):
        return _of_tf_config(os.environ["TF_CONFIG"])
    if int(os.environ.get("SLURM_STEP_NUM_TASKS") or 1) > 1:
        return _of_slurm()
    return None


def _of_tf_config(text: str) -> Cluster | None:
    remedy = f"unset it, or give it the form {_FORM}"
    config = decode(text, _TfConfig, "TF_CONFIG", remedy)
    roles = config.get("cluster", {})
    addresses = [address for role in _TRAINING for address in roles.get(role, [])]
    if len(addresses) < 2:
        return None
    if "task" not in config:
        raise UserError(f"TF_CONFIG names {len(addresses)} hosts and not which of them this is (task): {remedy}")
    role, index = config["task"]["type"], config["task"]["index"]
    if role not in _TRAINING or roles.keys() - set(_TRAINING):
        raise UserError(
            f"TF_CONFIG has {', '.join(sorted(roles))}, and this is {role} {index}: all hosts train here, as chief or "
            f"worker; {remedy}"
        )
    if index >= len(roles.get(role, [])):
        raise UserError(f"TF_CONFIG calls this {role} {index} and names {len(roles.get(role, []))} of them: {remedy}")
    return _checked(addresses, index + (len(roles.get("chief", [])) if role == "worker" else 0), "TF_CONFIG")


def _of_slurm() -> Cluster:
    import tensorflow as tf

    tasks = int(os.environ["SLURM_STEP_NUM_TASKS"])
    try:
        # Jobs that share a node must not share a port. Which GPUs a task has SLURM says, and the resolver is told of
        # as many as there are tasks: without any it fails.
        first_port = _LOWEST_PORT + int(os.environ.get("SLURM_JOB_ID", 0)) % _PORTS
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=first_port, gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
        )
        addresses = resolver.cluster_spec().as_dict()["worker"]
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"SLURM_STEP_NUM_TASKS = {tasks}, and where these tasks run can't be told ({error}): start the command by "
            "srun, or name the hosts in TF_CONFIG"
        ) from error
    number = resolver.task_id
    if "SLURMD_NODENAME" in os.environ:
        # The resolver sorts nodes by their letters, where SLURM has n9 before n10.
        own = f"{os.environ['SLURMD_NODENAME']}:{first_port + int(os.environ.get('SLURM_LOCALID', 0))}"
        number = addresses.index(own) if own in addresses else number
    return _checked(addresses, number, "SLURM")


def _checked(addresses: list[str], number: int, source: str) -> Cluster:
    for address in addresses:
        name, _, port = address.rpartition(":")
        if not (name and port.isdecimal() and 0 < int(port) < 1 << 16):
            raise UserError(f"{source} names a host {address!r}: give its name and port, e.g. trainer-0:2222")
    if len(set(addresses)) < len(addresses):
        raise UserError(f"{source} names a host twice ({', '.join(addresses)}): give each its own name or port")
    return Cluster(tuple(addresses), number, source)
