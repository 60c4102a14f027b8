"""From what was sent to arguments: signature to decoder."""

import datetime as dt
import functools
from typing import Annotated, Any, Literal

import msgspec
import pytest

from pegboard import App, Binding, RequestData
from pegboard.errors import ConfigError, InputError


class Point(msgspec.Struct):
    x: int
    y: int = 0


def test_text_of_a_query_becomes_what_the_annotation_says():
    def function(n: int, ratio: float, is_on: bool, when: dt.date, kind: Literal["a", "b"]): ...

    values = {"n": "5", "ratio": "0.5", "is_on": "true", "when": "2026-01-31", "kind": "b"}
    assert Binding(function).bind(values) == (
        (5, 0.5, True, dt.date(2026, 1, 31), "b"),
        {},
    )


def test_json_stays_strict():
    def function(n: int): ...

    assert Binding(function).bind({"n": 5}, strict=True) == ((5,), {})
    with pytest.raises(InputError, match="argument `n`"):
        Binding(function).bind({"n": "5"}, strict=True)


def test_structs_and_bounds_are_checked_with_the_place_named():
    def function(point: Point, size: Annotated[int, msgspec.Meta(ge=1)] = 1): ...

    binding = Binding(function)
    assert binding.bind({"point": {"x": 1}}) == ((Point(1), 1), {})
    with pytest.raises(InputError, match=r"argument `point\.x`: expected `int`, got `str`"):
        binding.bind({"point": {"x": "left"}}, strict=True)
    with pytest.raises(InputError, match="argument `size`: expected `int` >= 1"):
        binding.bind({"point": {"x": 1}, "size": 0})


def test_a_missing_and_an_unknown_argument_are_named():
    def function(a: int): ...

    with pytest.raises(InputError, match="missing argument `a`"):
        Binding(function).bind({})
    with pytest.raises(InputError, match="unknown argument `b`"):
        Binding(function).bind({"a": 1, "b": 2})


def test_what_is_missing_in_an_argument_is_named_with_its_place():
    class Exact(msgspec.Struct, forbid_unknown_fields=True):
        points: list[Point]

    def function(data: Exact): ...

    with pytest.raises(InputError, match=r"missing argument `data\.points\[0\]\.x`"):
        Binding(function).bind({"data": {"points": [{"y": 1}]}})
    with pytest.raises(InputError, match=r"unknown argument `data\.pints`"):
        Binding(function).bind({"data": {"points": [], "pints": []}})


def test_one_value_of_a_repeated_argument_is_a_list_of_one():
    def function(tag: list[str], ids: set[int] | None = None): ...

    assert Binding(function).bind({"tag": "x", "ids": ["1", "2"]}) == ((["x"], {1, 2}), {})


def test_defaults_are_those_of_the_function_even_mutable_ones():
    shared: list[int] = []

    def function(a=1, b=shared): ...

    (a, b), _ = Binding(function).bind({})
    assert (a, b is shared) == (1, True)


def test_app_and_request_are_injected_and_nobody_can_send_them():
    def function(app, name: str, request=None): ...

    binding = Binding(function)
    assert (binding.leading, binding.injected) == (("app",), {"request": "request"})
    assert [each.name for each in binding.parameters] == ["name"]
    assert binding.bind({"name": "x", "app": "evil", "request": "evil"})[0] == ("x",)


def test_annotations_decide_what_is_injected_whatever_it_is_called():
    def function(kernel: App, asked: RequestData | None = None, *, n: int): ...

    binding = Binding(function)
    assert binding.leading == ("app", "request")
    assert binding.bind({"n": "3"}) == ((), {"n": 3})


def test_a_parameter_called_app_that_is_annotated_otherwise_is_an_argument():
    def function(app: str): ...

    assert Binding(function).bind({"app": "calculator"}) == (("calculator",), {})


@pytest.mark.parametrize(
    "name", ["args", "args_", "kwargs", "kwargs_", "get_results", "spec", "tb_run_with_state"]
)
def test_names_of_the_dispatcher_cannot_be_sent(name):
    def function(n: int, **rest): ...

    assert Binding(function).bind({"n": 1, name: "x", "other": 2}) == ((1,), {"other": 2})


def test_more_may_be_sent_to_whom_takes_the_request_or_keywords():
    def takes_request(request: RequestData): ...
    def takes_rest(**rest): ...

    assert Binding(takes_request).bind({"a": 1}) == ((), {})
    assert Binding(takes_rest).bind({"a": 1}) == ((), {"a": 1})


def test_request_as_kwarg_needs_a_place_for_the_request():
    def without(): ...
    def rest(**kwargs): ...

    with pytest.raises(ConfigError, match="no parameter `request`"):
        Binding(without, request_as_kwarg=True)
    assert Binding(rest, request_as_kwarg=True).injected == {"request": "request"}


def test_positional_only_and_keyword_only_parameters_are_called_as_they_must():
    def function(a, /, b, *, c, app): ...

    binding = Binding(function)
    args, kwargs = binding.bind({"a": 1, "b": 2, "c": 3})
    assert (args, kwargs) == ((1, 2), {"c": 3})
    assert binding.injected == {"app": "app"}


def test_a_parameter_between_injected_ones_goes_by_name():
    def function(a, app, b): ...

    args, kwargs = Binding(function).bind({"a": 1, "b": 2})
    assert (args, kwargs) == ((1,), {"b": 2})


def test_a_call_in_process_is_checked_and_changed_in_nothing():
    def function(a: int, b: int = 2): ...

    binding = Binding(function)
    assert binding.bind_call(("one",), {}) == (("one",), {})
    assert binding.bind_call((), {"b": 3, "a": 1}) == ((1, 3), {})
    with pytest.raises(InputError, match="missing a required argument: 'a'"):
        binding.bind_call((), {})
    assert binding.mismatch((1, 2, 3), {})


def test_a_call_in_process_may_have_as_many_positional_arguments_as_the_function_takes():
    def function(app, a, *more, b=1): ...

    assert Binding(function).bind_call((1, 2, 3), {"b": 4}) == ((1, 2, 3), {"b": 4})
    assert Binding(function).bind({"a": 1, "b": 2}) == ((1,), {"b": 2})


def test_a_call_in_process_goes_around_what_is_injected():
    def function(a, app, b, c=3): ...

    assert Binding(function).bind_call((1, 2), {}) == ((1,), {"b": 2})
    assert Binding(function).bind_call((1,), {"b": 2, "c": 4}) == ((1,), {"b": 2, "c": 4})


def test_names_that_only_a_type_checker_knows_are_refused_with_advice():
    def function(a: "Nowhere"): ...  # noqa: F821

    with pytest.raises(ConfigError, match="TYPE_CHECKING"):
        Binding(function)


def test_what_cannot_be_decoded_is_refused_when_it_is_registered():
    class Plain:
        pass

    def function(a: dict[Plain, int] | list[Plain] | Point): ...

    with pytest.raises(ConfigError, match="cannot be decoded"):
        Binding(function)


def test_a_decorated_function_is_bound_by_the_signature_that_it_wraps():
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    @decorate
    def function(app, n: "int"): ...

    assert Binding(function).bind({"n": "1"}) == ((1,), {})


@pytest.mark.parametrize("name", ["naïve", "größe", "名前"])
def test_unicode_names_are_arguments_like_any_other(name):
    namespace: dict[str, Any] = {}
    exec(f"def function({name}: int): ...", namespace)
    assert Binding(namespace["function"]).bind({name: "1"}) == ((1,), {})


def test_whole_bodies_are_known_by_the_names_data_and_form_data():
    def function(data: dict, form_data: dict | None = None): ...

    binding = Binding(function)
    assert (binding.body, binding.form) == ("data", "form_data")


@pytest.mark.parametrize(
    ("state", "expected"), [(None, ("state",)), (True, ("state",)), (False, ())]
)
def test_a_first_parameter_self_or_state_is_the_state_of_the_mod_unless_told_otherwise(
    state, expected
):
    def function(state, n=1): ...

    assert Binding(function, state=state).leading == expected
