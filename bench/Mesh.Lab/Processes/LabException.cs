namespace Mesh.Lab.Processes;

/// <summary>The lab cannot go on: a process did not start or ended, or something did not happen in time. The message says what.</summary>
internal sealed class LabException(string message) : Exception(message);
