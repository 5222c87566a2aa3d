"""Recurrent layers, matrix products and an output layer's loss in C++; `source/kernels.h` is the contract."""
