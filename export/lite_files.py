# SPDX-License-Identifier: Apache-2.0
"""TFLite files taken apart and put together: what converters cannot be asked for.

A file holds subgraphs, which share buffers and operator codes and are called by the names of signatures.
"""

import copy

from gan_tfc.entropy_models.lite_graph import litert


def collect(files: dict[str, bytes]) -> bytes:
    """One file with the only subgraph of each of several files.

    Args:
        files: TFLite files by the name of the signature that calls each one's subgraph; the names of
            its inputs and outputs are kept.

    Returns:
        A TFLite file.
    """
    model = _empty_model()
    for name, data in files.items():
        graph, signature = _absorbed(model, data)
        signature.signatureKey, signature.subgraphIndex = name.encode(), len(model.subgraphs)
        graph.name = name.encode()
        model.subgraphs.append(graph)
        model.signatureDefs.append(signature)
    return _packed(model)


def chain(*files: bytes, signature: str = "serving_default") -> bytes:
    """One subgraph that runs the subgraphs of several files one after another.

    Inputs take the value of an earlier output, or of an earlier input, of the same name; other inputs
    are inputs of the whole, and the last file's outputs are its outputs.

    Args:
        files: TFLite files with one signature each.
        signature: name of the only signature of the result.

    Returns:
        A TFLite file.
    """
    model = _empty_model()
    whole = _schema().SubGraphT()
    whole.name, whole.tensors, whole.operators = signature.encode(), [], []
    known, inputs, outputs = {}, {}, {}
    for data in files:
        graph, names = _absorbed(model, data)
        given = {x.tensorIndex: x.name for x in names.inputs}
        numbers = {}
        for number, tensor in enumerate(graph.tensors):
            name = given.get(number)
            if name in known:
                numbers[number] = known[name]
                continue
            numbers[number] = len(whole.tensors)
            whole.tensors.append(tensor)
            if name is not None:
                known[name] = inputs[name] = numbers[number]
        for operator in graph.operators:
            operator.inputs = [numbers.get(x, x) for x in operator.inputs]  # -1 stands for none
            operator.outputs = [numbers[x] for x in operator.outputs]
            whole.operators.append(operator)
        outputs = {x.name: numbers[x.tensorIndex] for x in names.outputs}
        known |= outputs
    whole.inputs, whole.outputs = list(inputs.values()), list(outputs.values())
    model.subgraphs.append(whole)
    model.signatureDefs.append(_signature(signature, inputs, outputs))
    return _packed(model)


def named(data: bytes, inputs: list[str], outputs: list[str]) -> bytes:
    """A file of one subgraph with a signature that names its inputs and outputs, in their order."""
    model = _unpacked(data)
    (graph,) = model.subgraphs
    model.signatureDefs = [
        _signature(
            "serving_default",
            dict(zip((x.encode() for x in inputs), graph.inputs, strict=True)),
            dict(zip((x.encode() for x in outputs), graph.outputs, strict=True)),
        )
    ]
    return _packed(model)


def operators(data: bytes) -> dict[str, int]:
    """How often each operator occurs in a file; custom and flex operators under their own names."""
    schema = _schema()
    model = _unpacked(data)
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if name[0] != "_"}
    found = {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            name = names[number] if code.customCode is None else code.customCode.decode()
            found[name] = found.get(name, 0) + 1
    return found


def _absorbed(model, data):
    """The subgraph and the signature of a file, after `model` has taken over what they refer to."""
    other = _unpacked(data)
    (graph,), (signature,) = other.subgraphs, other.signatureDefs
    buffers, codes = len(model.buffers) - 1, len(model.operatorCodes)
    model.buffers += other.buffers[1:]  # the first one is empty by definition
    model.operatorCodes += other.operatorCodes
    for tensor in graph.tensors:
        if tensor.buffer:
            tensor.buffer += buffers
    for operator in graph.operators:
        operator.opcodeIndex += codes
    return graph, signature


def _empty_model():
    schema = _schema()
    model = schema.ModelT()
    model.version = 3
    model.buffers, model.operatorCodes = [schema.BufferT()], []
    model.subgraphs, model.signatureDefs = [], []
    return model


def _signature(key, inputs, outputs):
    schema = _schema()
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = key.encode(), 0
    signature.inputs, signature.outputs = [], []
    for tensors, found in ((inputs, signature.inputs), (outputs, signature.outputs)):
        for name, number in tensors.items():
            entry = schema.TensorMapT()
            entry.name, entry.tensorIndex = name, number
            found.append(entry)
    return signature


def _unpacked(data):
    schema = _schema()
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data))


def _packed(model) -> bytes:
    import flatbuffers  # comes with LiteRT

    builder = flatbuffers.Builder()
    builder.Finish(_without_repeated_codes(model).Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _without_repeated_codes(model):
    """The same model with one entry for each kind of operator."""
    model = copy.copy(model)
    kept, numbers = {}, []
    for code in model.operatorCodes:
        key = (code.builtinCode, code.deprecatedBuiltinCode, code.customCode, code.version)
        numbers.append(kept.setdefault(key, (len(kept), code))[0])
    for graph in model.subgraphs:
        for operator in graph.operators:
            operator.opcodeIndex = numbers[operator.opcodeIndex]
    model.operatorCodes = [code for _, code in kept.values()]
    return model


def _schema():
    return litert()[1]
