"""A landing zone in an object store: new objects are brought into the landing folder and taken from there like any file.

`settings.toml` names it: `[landing] url = "s3://bucket/prefix"` (any scheme fsspec knows: `s3`, `gs`, `abfs`, `sftp` … with its
package). Credentials and endpoints come from the environment, as the store's own tools take them. Objects are read, never
changed or deleted; one that is replaced in the store comes again, as a replaced file would.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from orders_pipeline.kernel.faults import Usage
from orders_pipeline.kernel.home import Home

#: How often whoever waits for files asks the store.
LOOK_SECONDS = 10.0
#: The property by which a store dates an object, by its kind.
_DATES = ("LastModified", "last_modified", "updated", "mtime", "created")
_MARKS = ("ETag", "etag", "md5Hash", "content_md5")


def fetch(home: Home, url: str, progress: Callable[[str], None] = lambda text: None) -> list[tuple[str, str]]:
    """Bring what is new in the store into the landing folder; (object, why) of what could not be brought.

    Whatever goes wrong, the rest is brought and nothing half. Raises Usage for a URL that cannot be used as it stands.
    """
    if not url:
        return []
    try:
        system, root = _opened(url)
        found = list(_objects(system, root))
    except Usage:
        raise
    except Exception as error:
        return [(url, f"cannot be read now ({_said(error)}); it is asked again with the next run")]
    known, failed = _known(home), []
    for relative, name, info in found:
        mark = _mark(info)
        if known.get(relative) == mark:
            continue
        target = _target(home.landing, relative)
        if target is None:
            failed.append((relative, "its name leads out of the landing folder; give the object another name"))
            continue
        progress(f"{url}: {relative}")
        try:
            _bring(home, system, name, info, target)
        except Exception as error:
            failed.append((relative, f"cannot be brought from the store ({_said(error)}); it is tried again with the next run"))
            continue
        known[relative] = mark
        _remember(home, known)
    return failed


def _opened(url: str) -> tuple[Any, str]:
    parts = urlsplit(url)
    user, _, _ = parts.netloc.rpartition("@")
    # A name alone is no secret (sftp://user@host, abfs://container@account); what stands before the @ of a web address is one.
    if not parts.scheme or ":" in unquote(user) or (user and parts.scheme in ("http", "https")):
        raise Usage(
            "[landing] url must be like s3://bucket/prefix or sftp://user@host/folder; passwords and keys belong into the "
            "environment, not into it"
        )
    import fsspec

    try:
        system, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise Usage(f"[landing] url: {parts.scheme}:// needs another package: {error}") from error
    except ValueError as error:
        raise Usage(f"[landing] url: {error}") from error
    return system, root.rstrip("/")


def _objects(system: Any, root: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(path below the root, name in the store, its properties), by path."""
    for name, info in sorted(system.find(root, detail=True).items()):
        relative = name.removeprefix(root).lstrip("/")
        if relative and not name.endswith("/"):
            yield relative, name, info


def _target(landing: Path, relative: str) -> Path | None:
    """Where an object lands; None for a name that would lead elsewhere: it was given by somebody else."""
    parts = PurePosixPath(relative).parts
    is_plain = all(part not in ("..", ".") and part.isprintable() and "\\" not in part for part in parts)
    target = landing.joinpath(*parts)
    if not is_plain or relative.startswith("/") or not target.parent.resolve().is_relative_to(landing.resolve()):
        return None
    return target


def _bring(home: Home, system: Any, name: str, info: Mapping[str, Any], target: Path) -> None:
    """Copy an object beside the landing folder, and rename it into it when it is whole."""
    draft = home.work / f"fetched-{uuid.uuid4().hex}"
    try:
        system.get_file(name, str(draft))
        if draft.stat().st_size != info["size"]:
            raise OSError(f"{draft.stat().st_size} of {info['size']} bytes came")
        dated = _dated(info)
        os.utime(draft, (dated, dated))
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _mark(info: Mapping[str, Any]) -> str:
    """Changes when the object does."""
    sums = [str(info[key]) for key in _MARKS if info.get(key)]
    return ":".join([str(info["size"]), str(_dated(info)), *sums])


def _dated(info: Mapping[str, Any]) -> float:
    for key in _DATES:
        value = info.get(key)
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if value is not None:
            return value.timestamp() if isinstance(value, datetime) else float(value)
    return 0.0


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}".rstrip(": ")


# ---- what has been brought already


def _ledger(home: Home) -> Path:
    return home.warehouse.with_name("fetched.json")


def _known(home: Home) -> dict[str, str]:
    try:
        return json.loads(_ledger(home).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def _remember(home: Home, known: Mapping[str, str]) -> None:
    draft = _ledger(home).with_name(f"fetched-{os.getpid()}.part")
    draft.write_text(json.dumps(known, indent=0, sort_keys=True), encoding="utf-8")
    draft.replace(_ledger(home))


class Looks:
    """When the store is to be asked again."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._next = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time; if so, the next time is later."""
        if not self.url or time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + LOOK_SECONDS
        return True
