"""The compute functions of the developer guide."""

from pegboard import Result, get_app

MOD_NAME = "Compute"
version = "1.0"
export = get_app("Compute").tb

log = []


def log_before_execution(func, *args, **kwargs):
    log.append(f"Executing {func.__name__} with args: {args}, kwargs: {kwargs}")
    return args, kwargs


def log_after_execution(result, func, *args, **kwargs):
    log.append(f"Function {func.__name__} returned: {result.get()}")
    return result


@export(
    mod_name=MOD_NAME,
    version=version,
    pre_compute=log_before_execution,
    post_compute=log_after_execution,
)
def monitored_function(name):
    return Result.ok(data=f"Hello, {name}!")
