"""The command ``proxy``: put a database behind one port."""

from dataclasses import dataclass

from studies.errors import InputError
from studies.execution.storage import given_storage, open_storage, without_password


@dataclass(frozen=True, kw_only=True)
class ProxyCommand:
    """Serve a PostgreSQL storage through Optuna's gRPC proxy: workers then need no database driver and no password.

    Whoever reaches the port may read and write every study: bind it to a network of your own.
    """

    storage: str | None = None
    """postgresql://user:password@host/database; the environment variable STUDIES_STORAGE without it."""
    host: str = "localhost"
    """Name or address to listen on; 0.0.0.0 for all."""
    port: int = 13000
    """Port to listen on."""


def proxy(options: ProxyCommand) -> int:
    """Serve until Ctrl-C and return 0."""
    where = given_storage(options.storage)
    if where is None or not where.startswith("postgres"):
        given = "nothing" if where is None else without_password(where)
        raise InputError(
            f"The proxy serves PostgreSQL only and was given {given}: Optuna's proxy does not support "
            "journal files; give postgresql://... with --storage."
        )
    storage = open_storage(where)
    try:
        from optuna.storages import run_grpc_proxy_server

        print(f"Serving {without_password(where)} at grpc://{options.host}:{options.port}", flush=True)
        run_grpc_proxy_server(storage, host=options.host, port=options.port)
    except ImportError as error:
        raise InputError("The gRPC proxy needs grpcio and protobuf: install adaqn-lab[grpc].") from error
    except KeyboardInterrupt:
        pass
    return 0
