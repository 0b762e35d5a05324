// A sondo model from C++: raw samples in, embedding out.
//
//     embed MODEL.onnx SOUND.f32        one sound: float32, mono, in [-1, 1], at the model's rate, from 0.1 s on
//
// Prints the model's space on the first line and the numbers of the embedding on the second.

#include <openvino/openvino.hpp>

#include <cmath>
#include <cstddef>
#include <exception>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr double kMinSeconds = 0.1;
constexpr float kLargestSample = 256.0F;  // sound far above full scale is below it, bytes that are no floats are not

// What `sondo export` wrote into the file's metadata.
std::string metadata(const ov::Model& model, const std::string& key) {
    if (!model.has_rt_info("framework", "sondo." + key))
        throw std::runtime_error("no file of sondo: it has no metadata sondo." + key);
    return model.get_rt_info<std::string>("framework", "sondo." + key);
}

std::vector<float> read_samples(const std::string& path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) throw std::runtime_error("cannot open " + path);
    std::vector<float> samples(static_cast<std::size_t>(file.tellg()) / sizeof(float));
    file.seekg(0);
    file.read(reinterpret_cast<char*>(samples.data()), static_cast<std::streamsize>(samples.size() * sizeof(float)));
    if (!file) throw std::runtime_error("cannot read " + path);
    for (const float sample : samples)
        if (!(std::abs(sample) <= kLargestSample))  // nor is what is no number
            throw std::runtime_error(path + ": these are no 32-bit floats in [-1, 1]: is it a WAV file, or 16-bit "
                                            "sound?");
    return samples;
}

void run(const std::string& model_path, const std::string& sound_path) {
    ov::Core core;
    const auto model = core.read_model(model_path);
    if (metadata(*model, "format") != "1") throw std::runtime_error(model_path + ": another format than 1");
    const double sample_rate = std::stod(metadata(*model, "sample_rate"));

    auto samples = read_samples(sound_path);
    const double seconds = static_cast<double>(samples.size()) / sample_rate;
    if (seconds < kMinSeconds)
        throw std::runtime_error(sound_path + ": " + std::to_string(seconds) + " s of sound, at least 0.1 s is needed");

    // Input "audio" is (batch, samples), output "embedding" (batch, embedding_dim); both float32. Precision is asked for
    // by name because OpenVINO may otherwise compute in bfloat16 where the processor has it.
    auto compiled = core.compile_model(model, "CPU", ov::hint::inference_precision(ov::element::f32));
    auto request = compiled.create_infer_request();
    request.set_tensor("audio", ov::Tensor(ov::element::f32, {1, samples.size()}, samples.data()));
    request.infer();

    const auto embedding = request.get_tensor("embedding");
    std::cout << metadata(*model, "space_id") << '\n' << std::setprecision(9);
    for (std::size_t index = 0; index < embedding.get_size(); ++index)
        std::cout << (index ? " " : "") << embedding.data<float>()[index];
    std::cout << '\n';
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: embed MODEL.onnx SOUND.f32\n";
        return 2;
    }
    try {
        run(argv[1], argv[2]);
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
    return 0;
}
