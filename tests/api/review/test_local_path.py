import pytest

from api.review.local_path import HOME, local_path


@pytest.mark.parametrize(
    "asked",
    ["/review", "/review/", "/review/queue?severity=1&mine=on", "/review/cases/7", "/review/commands/0-a/standing"],
)
def test_a_page_of_ours_is_kept(asked: str) -> None:
    assert local_path(asked) == asked


@pytest.mark.parametrize(
    "asked",
    [
        *(None, "", "/", "/v1/commands", "/reviewers", "review/queue", "queue", "https://evil.example/review"),
        *("//evil.example/review", "/\\evil.example", "/review//evil.example", "/review\\..\\..", "/review/../v1"),
        *("/review/..", "/review/./x", "/review/%2e%2e/v1", "/review/x\n", "/review/x#y", "/review?x=<script>"),
        *("javascript:alert(1)", "/review@evil.example", "/review/" + "x" * 600, "/review/login?next=/review/login"),
        *("/review/logout", "/review/callback?code=x"),
    ],
)
def test_anything_else_leads_to_the_first_page(asked: str | None) -> None:
    assert local_path(asked) == HOME
