"""The limit of open files, of which every connection needs one."""

import resource

OTHER_FILES = 512
"""Open files beside connections: about 10 for each of 40 environments, and the process' own."""


def make_room(connections: int) -> str | None:
    """Raise the soft limit of open files to the hard one, for ``connections`` at once.

    Returns:
        What an operator should know when that is not enough, with what to do; ``None`` when it is.
    """
    needed = connections + OTHER_FILES
    soft = _raised(needed)
    if _is_enough(soft, needed):
        return None
    possible = max(0, soft - OTHER_FILES)
    return (
        f"at most {soft:,} files may be open, which is room for about {possible:,} connections, "
        f"not for {connections:,}: set LimitNOFILE={needed} (systemd) or ulimit -n {needed}, "
        "or lower --max-connections"
    )


def _raised(needed: int) -> int:
    """Return the soft limit after the attempt to raise it: best to the hard one, else as needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, needed):
        if _is_enough(soft, wanted) or not _is_enough(hard, wanted):
            continue
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            continue  # a system may allow less than its hard limit says
        return wanted
    return soft


def _is_enough(limit: int, wanted: int) -> bool:
    if limit == resource.RLIM_INFINITY:
        return True
    return wanted != resource.RLIM_INFINITY and limit >= wanted
