from .aligned import ALIGNED as ALIGNED
from .opening import open_models as open_models
from .server import check_server as check_server
from .server import serve as serve
from .terminal import converse as converse
