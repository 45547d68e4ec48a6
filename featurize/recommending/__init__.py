"""Item and member towers on frozen vectors, judged by what members played next."""
