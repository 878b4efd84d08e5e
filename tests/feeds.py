"""Feeds for tests."""

from pathlib import Path


def write_feed(root: Path, attributes: str, name: str = "one") -> Path:
    """A feed of these YAML attributes below ``root``, which is given back."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    body = "".join(f"  {line}\n" for line in attributes.strip().splitlines())
    text = f"type: pipelines.components.ExchangeFeed\nattributes:\n{body}"
    (folder / "defs.yaml").write_text(text)
    return root
