"""What a model costs: parameters, work, size, memory, cold start, latency.

    sondo.bench.run.bench(["student.onnx"], against="other.onnx", threads=[1, 2], batch=[1, 8])

What lives here: the whole measurement (`run`), a model that is measured (`subject`), what can be learned of an exported
file (`onnx_file`) and of a student in torch (`torch_student`), calls in turn (`timing`), a fresh process (`fresh`), the
machine (`machine`) and the tables (`tables`). Nothing is imported here, so that a fresh process loads no more than a
user's would.

May import: `sondo.runtime`, `sondo.loading`, `sondo.audio`, `sondo.errors`, `sondo.in_threads`, `sondo.screen`, numpy;
`sondo.weights`, `sondo.students`, onnxruntime, onnx and torch inside functions only. An exported file is measured
without torch.
"""
