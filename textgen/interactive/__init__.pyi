from .models import open_models as open_models
from .portable import ALIGNED as ALIGNED
from .portable import SCRIPTS as SCRIPTS
from .portable import portable_model as portable_model
from .server import listen as listen
from .server import serve as serve
