"""Planted violations in text of any kind. A tilde breaks each bad word, so that this file does not break the rules itself."""

from tests.tidy.planted import Plant


def _whole(*lines: str) -> str:
    return "\n".join(lines).replace("~", "")


PLANTS = (
    Plant(
        "address",
        "the client knows where",
        {
            "pyproject.toml": _whole(
                'index = "https://py~pi.org/simple"  # bad',
                'url = "https://repo~1.maven.org/maven2"  # bad',
                'url = "https://files.python~hosted.org/x.whl"  # bad',
                'url = "https://github.com/a/b/rel~eases/download/v1/x.jar"  # bad',
                'image = "gh~cr.io/a/b"  # bad',
                'coordinates = "org.apache.kafka:kafka_2.13:4.3.1"',
                'image = "apache/kafka:4.3.1"',
                'homepage = "https://www.w3.org/TR/trace-context/"',
            ),
            "requirements.lock": _whole("--index-url https://registry.np~mjs.org  # bad", "aiokafka==0.14.0 --hash=sha256:00"),
        },
    ),
    Plant(
        "path",
        "make it relative, or a setting",
        {
            "README.md": _whole(
                "cd /ho~me/ann/hubnetz <!-- bad -->",
                "cd /Us~ers/ann/hubnetz <!-- bad -->",
                "cd /ro~ot/.cache <!-- bad -->",
                "cd /wo~rk/main <!-- bad -->",
                "`/root` may not be passed, data goes to /var/lib/hubnetz, pages are at /work-spaces",
            ),
            "deploy/x.yaml": _whole("home: C:~\\Users\\ann  # bad"),
        },
    ),
    Plant(
        "word",
        "say what it is",
        {
            "docs/index.md": _whole(
                "As the iss~ue says <!-- bad -->",
                "made by an age~nt <!-- bad -->",
                "another hel~per wrote it <!-- bad -->",
                "Co-autho~red-by: somebody <!-- bad -->",
                "A session has places; the User-Agent header; issues are welcome; the agency; cal.com #15978.",
            ),
        },
    ),
    Plant(
        "unfinished",
        "finish it, or leave it out",
        {
            "hubkit/x.py": _whole("raise NotImpl~ementedError  # bad", "pass  # TO~DO later  # bad", "pass  # to do: nothing"),
        },
    ),
    Plant(
        "template",
        "from our own host",
        {
            "services/portal/templates/day.html": """
<script src="/static/htmx.js"></script>
<script>let x = 1</script>  # bad
<style>p { color: red }</style>  # bad
<p style="color: red" class="style">  # bad
<button onclick="book()">  # bad
<button hx-on:click="book()" hx-get="/day">  # bad
<img src="https://www.w3.org/logo.png">  # bad
<a href="//www.w3.org/">  # bad
<a href="/offers" title="on = off">
""",
            "docs/page.html": "<style>p {}</style>",
        },
    ),
    Plant(
        "link",
        "leads nowhere",
        {
            "docs/index.md": _whole(
                "[a](concepts.md) [b](../README.md#start) [c](adr/) [d](https://www.w3.org/) [e](#here) [f](/README.md)",
                "[a](concept.md) <!-- bad -->",
                "[a](README.md) <!-- bad -->",
            ),
            "docs/concepts.md": "",
            "docs/adr/0001.md": "",
            "README.md": "",
        },
    ),
)
