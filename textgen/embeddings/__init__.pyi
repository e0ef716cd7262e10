from .vectors import Vectors as Vectors
from .vectors import train_vectors as train_vectors

TABLE: dict[str, str]
