"""What went wrong between the Hugging Face Hub and its client, in one or two sentences with the way out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mtss_zoo.errors import CheckpointError

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"
NETWORK = {"httpx", "httpx2", "requests"}
"""The libraries that versions of the client speak HTTP with; their errors share no base class."""


def hub_error(name: str, error: Exception) -> CheckpointError:
    """The error to raise for what the Hub's client raised over the repository ``name``."""
    return CheckpointError(in_words(name, error))


def in_words(name: str, error: Exception) -> str:
    """What the Hub's client raised over the repository ``name``, in one or two sentences with the way out."""
    from huggingface_hub import errors

    causes = list(_causes(error))
    if any(isinstance(e, errors.OfflineModeIsEnabled) for e in causes):
        return (
            f"{name} is not whole in the cache, and HF_HUB_OFFLINE forbids to fetch it. Unset that, and pull it once."
        )
    for cause in causes:
        if isinstance(cause, errors.HfHubHTTPError) and getattr(cause, "response", None) is not None:
            return _answered(name, cause, _one_line(error))
    if any(type(e).__module__.split(".")[0] in NETWORK or isinstance(e, ConnectionError) for e in causes):
        return (
            f"the Hugging Face Hub cannot be reached for {name} ({type(causes[-1]).__name__}). Check the network and "
            "run the command again; what was fetched before works without it."
        )
    if isinstance(error, errors.LocalEntryNotFoundError):
        return f"{name} is not whole in the cache. Fetch it once with `mtss-zoo pull {name}`."
    if isinstance(error, errors.HFValidationError):
        return f"{name!r} is no name that a repository on the Hub can have; write owner/repo."
    if isinstance(error, errors.LocalTokenNotFoundError):
        return f"no token was found for {name}: {LOG_IN}."
    if isinstance(error, OSError) and "Consistency check" in str(error):
        return f"a download from {name} broke off, and nothing of that file was kept. Run the command again."
    return f"{name} and the Hugging Face Hub: {type(error).__name__}: {_one_line(error)}"


def _answered(name: str, error: HfHubHTTPError, details: str) -> str:
    """The Hub answered, with a refusal."""
    from huggingface_hub import errors

    status = error.response.status_code
    if isinstance(error, errors.GatedRepoError):
        return f"{name} is gated. Ask for access on its page on the Hub, then {LOG_IN}."
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name} has no such branch, tag or commit. Leave out what follows the @ for the newest commit."
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"there is no {name} here or on the Hub, or it is private and your token may not read it. Check the name; "
            f"if it is private, {LOG_IN}."
        )
    if status == 401:
        return f"the Hub does not accept the token that was sent for {name}. Renew it: {LOG_IN}."
    if status == 403:
        return f"the token that was sent may not do this to {name}. Use one with the right to write there: {LOG_IN}."
    if status == 429 or status >= 500:
        return f"the Hub could not serve {name} now (status {status}). Run the command again later."
    return f"the Hub refused {name} (status {status}): {details}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on down."""
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__
