"""Times as people read them."""


def clock_text(seconds: float) -> str:
    """Milliseconds shown: ``02:05.040``, ``1:02:05.040``, ``-00:01.500``."""
    milliseconds = round(abs(seconds) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if seconds < 0 and milliseconds else ""
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes:02d}"
    return f"{sign}{head}:{rest // 1000:02d}.{rest % 1000:03d}"
