"""Secrets in addresses do not leave the program; everything else stays readable."""

import logging

import pytest

from data.redaction import RedactingFormatter, redact, redact_tree


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://me:geheim@host:554/x?a=b", "rtsp://***@host:554/x?a=b"),
        ("rtsp://host/x", "rtsp://host/x"),
        ("rtsp://token123@host/x", "rtsp://***@host/x"),
        ("rtsp://me:ge/heim@host/x", "rtsp://***@host/x"),
        ("rtsp://me:ge'heim\"@host/x", "rtsp://***@host/x"),
        ("http://h/v?channel=2&password=geheim&x=1", "http://h/v?channel=2&password=***&x=1"),
        ("http://h/v?Token=geheim", "http://h/v?Token=***"),
        ("http://h/v?access_token=geheim&api-key=geheim", "http://h/v?access_token=***&api-key=***"),
        ("hall=http://h/v?X-Amz-Signature=geheim other", "hall=http://h/v?X-Amz-Signature=*** other"),
        ("a:b@c.mp4", "a:b@c.mp4"),
        ("tracker.lost_s=3", "tracker.lost_s=3"),
    ],
)
def test_who_logs_in_with_what_is_starred_out(text: str, shown: str) -> None:
    assert redact(text) == shown
    assert "geheim" not in redact(text)


def test_trees_and_log_lines_are_redacted_too() -> None:
    uri = "rtsp://me:geheim@host/x"
    assert redact_tree({"a": [uri, 3, None], "b": {"c": (uri,)}}) == {
        "a": ["rtsp://***@host/x", 3, None],
        "b": {"c": ["rtsp://***@host/x"]},
    }
    record = logging.LogRecord("x", logging.INFO, "f", 1, "cannot open %s", (uri,), None)
    assert RedactingFormatter("%(message)s").format(record) == "cannot open rtsp://***@host/x"
