//! Every decoder of untrusted bytes, as a function that must return on whatever it is given.
//!
//! The fuzz targets and the short run in the test command call the same functions.

use zkml_import::data::Samples;

/// A decoder: its name, which is also that of its fuzz target and of its folder of seeds, and what
/// it does with bytes.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    /// Name of the fuzz target and of the folder of seeds.
    pub name: &'static str,
    /// Decodes, and uses what was decoded; true where the bytes were accepted.
    pub decode: fn(&[u8]) -> bool,
}

/// All of them.
pub const DECODERS: &[Decoder] = &[Decoder {
    name: "samples",
    decode: samples,
}];

/// The decoder of a name.
pub fn decoder(name: &str) -> Option<Decoder> {
    DECODERS
        .iter()
        .copied()
        .find(|decoder| decoder.name == name)
}

/// `.npz` and `.json` samples.
pub fn samples(bytes: &[u8]) -> bool {
    let Ok(samples) = Samples::from_bytes("fuzz", bytes) else {
        return false;
    };
    for name in samples.names() {
        let size = samples.array(name).map_or(0, |array| array.len());
        // Whatever was accepted can be asked for anything.
        let names = [name.to_owned()];
        let _ = samples.count(&names, &[size]);
        let _ = samples.inputs_for(&names, &[1], size);
        let _ = samples.outputs_for(&names, &[size], 0);
    }
    let _ = samples.labels_for(0);
    true
}
