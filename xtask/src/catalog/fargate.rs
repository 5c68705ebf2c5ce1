//! Fargate's pairs of CPU and memory.
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html>

/// CPU units; the least and the most memory in MiB; the step between two amounts of memory.
const PAIRS: [(u32, u32, u32, u32); 6] = [
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16384, 1024),
    (4096, 8192, 30720, 1024),
    (8192, 16384, 61440, 4096),
    (16384, 32768, 122_880, 8192),
];
/// 256 CPU units do not have an even step.
const SMALLEST: (u32, [u32; 3]) = (256, [512, 1024, 2048]);

/// Why Fargate does not have this pair, in words that say what it has; None when it has.
pub fn mistake(cpu: u32, memory: u32) -> Option<String> {
    if cpu == SMALLEST.0 {
        return (!SMALLEST.1.contains(&memory)).then(|| {
            format!("Fargate has no cpu 256 with memory {memory}: it has 512, 1024 and 2048")
        });
    }
    let Some((_, least, most, step)) = PAIRS.into_iter().find(|pair| pair.0 == cpu) else {
        return Some(format!(
            "Fargate has no cpu {cpu}: it has 256, 512, 1024, 2048, 4096, 8192 and 16384"
        ));
    };
    let fits = (least..=most).contains(&memory) && memory.is_multiple_of(step);
    (!fits).then(|| {
        format!(
            "Fargate has no cpu {cpu} with memory {memory}: it has {least} to {most} in steps of {step}"
        )
    })
}

/// The least memory in MiB that goes with a CPU amount.
pub fn least_memory(cpu: u32) -> Option<u32> {
    if cpu == SMALLEST.0 {
        return SMALLEST.1.first().copied();
    }
    PAIRS
        .into_iter()
        .find(|pair| pair.0 == cpu)
        .map(|pair| pair.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs() {
        for (cpu, memory, fits) in [
            (256, 512, true),
            (256, 2048, true),
            (256, 3072, false),
            (512, 1024, true),
            (512, 512, false),
            (1024, 2048, true),
            (1024, 2560, false),
            (4096, 30720, true),
            (4096, 30721, false),
            (8192, 20480, true),
            (8192, 17408, false),
            (16384, 122_880, true),
            (300, 1024, false),
            (0, 0, false),
        ] {
            assert_eq!(mistake(cpu, memory).is_none(), fits, "{cpu} {memory}");
        }
        for cpu in [256, 512, 1024, 2048, 4096, 8192, 16384] {
            assert_eq!(mistake(cpu, least_memory(cpu).unwrap()), None, "{cpu}");
        }
    }
}
